import test from 'ava';
import { makeTlsLanePair } from '../../../support/tls-lane-pair.ts';
import { testLane } from './conformance.ts';

testLane(test, 'TlsLane', makeTlsLanePair);
