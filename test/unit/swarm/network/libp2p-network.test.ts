import test from 'ava';
import { Libp2pSwarm } from '../../../support/libp2p-swarm.ts';
import { testNetwork } from './conformance.ts';

testNetwork(test.serial, 'Libp2pNetwork', async () => await Promise.resolve(new Libp2pSwarm()));
