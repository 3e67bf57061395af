import { join } from 'node:path';
import { z } from 'zod';
import { isOriginName, originNameFrom, registryCalled } from '../../origin/origin-name.ts';
import { registryNameOf } from '../../origin/registry-name.ts';
import { readStateFile, writeStateFile } from '../../swarm/network/state-file.ts';
import type { OriginDirectory } from '../../swarm/origin-directory.ts';

const fileSchema = z.object({ name: z.string().refine(isOriginName) });

/**
 * What this node calls the origin that is embedded in it: what it is told, else what it was called before, so that references stay as
 * they are where a host is called otherwise than yesterday; the first time it is called as the node. @throws `store-unwritable`, `disk-full`
 */
export async function keepOriginName(data: string, told: string | undefined, nodeName: string): Promise<string> {
  const path = join(data, 'origin-name.json');
  const kept = (await readStateFile(path, fileSchema))?.name;
  const name = told ?? kept ?? originNameFrom(nodeName);
  if (name !== kept) await writeStateFile(path, { name });
  return name;
}

/**
 * The name of an embedded origin, as people read and write it. Inside, and between members, its images are known under the peer id of
 * its node, which nobody else can have: another origin of the same name has other images, and a new name needs nothing moved.
 */
export class OriginLabel {
  readonly #directory: Pick<OriginDirectory, 'state'>;

  constructor(directory: Pick<OriginDirectory, 'state'>) {
    this.#directory = directory;
  }

  /** The registry part of its images; undefined where the origin is a registry, or its node has not said yet what it is called. */
  get registry(): string | undefined {
    const name = this.#directory.state.current?.name;
    return name === undefined ? undefined : registryCalled(name);
  }

  /** Text for people, of text that has full names in it. */
  readonly shown = (text: string): string => {
    const { registry } = this;
    return registry === undefined ? text : text.replaceAll(registryNameOf(this.#directory.state.current!.url), registry);
  };
}
