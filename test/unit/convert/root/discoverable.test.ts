import test from 'ava';
import { goTogether, isAutomatic, roleOf, varPartitionId } from '../../../../src/convert/root/discoverable.ts';
import type { Partition } from '../../../../src/convert/partition/partition.ts';

const partition = (type: string, attributes?: bigint): Partition => ({
  number: 1,
  offset: 0,
  size: 1,
  uuid: '',
  type,
  ...(attributes !== undefined && { attributes }),
});
const AMD64 = { root: partition('4f68bce3-e8cd-4db1-96e7-fbcaf984b709'), usr: partition('8484680c-9521-48c6-9c11-b0720656f69e') };
const ARM64_USR = partition('b0e01050-ee5f-4390-949a-9101b17104e9');

test("a partition's type says what it is for", (t) => {
  for (const [type, role] of [
    [AMD64.root.type, 'root'],
    [AMD64.usr.type, 'usr'],
    ['933ac7e1-2eb4-4f13-b844-0e14e2aef915', 'home'],
    ['3b8f8425-20e0-4f3b-907f-1a25a76f98e8', 'srv'],
    ['4d21b016-b534-45c2-a9fb-5c16e091fd2d', 'var'],
    ['0fc63daf-8483-4772-8e79-3d69d8477de4', undefined],
    ['83', undefined],
  ] as const)
    t.is(roleOf(partition(type)), role, type);
  t.is(roleOf(undefined), undefined);
});

test('a /usr goes with the root of its architecture, and with a root that says none', (t) => {
  t.true(goTogether(AMD64.root, AMD64.usr));
  t.false(goTogether(AMD64.root, ARM64_USR));
  t.true(goTogether(undefined, ARM64_USR));
  t.true(goTogether(partition('83'), ARM64_USR));
});

test('an entry whose bits say "no auto" is not mounted without being asked for', (t) => {
  t.true(isAutomatic(partition('')));
  t.true(isAutomatic(partition('', 1n << 60n)));
  t.false(isAutomatic(partition('', 1n << 63n)));
});

test('the /var of a machine is known by its id, as systemd-id128 gives it', (t) => {
  // systemd-id128 machine-id --app-specific=4d21b016-b534-45c2-a9fb-5c16e091fd2d --uuid, with this machine id in /etc/machine-id
  t.is(varPartitionId('00112233445566778899aabbccddeeff\n'), '979e9af7-1627-4b8e-a6a0-7019e578a8d7');
  for (const id of [undefined, '', 'uninitialized\n', '00112233']) t.is(varPartitionId(id), undefined);
});
