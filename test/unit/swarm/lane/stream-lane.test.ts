import test from 'ava';
import { makeStreamLanePair } from '../../../support/stream-lane-pair.ts';
import { testLane } from './conformance.ts';

testLane(test, 'StreamLane', makeStreamLanePair);
