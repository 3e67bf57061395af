import type { FuzzTarget } from './target.ts';
import { archiveTargets } from './targets/archives.ts';
import { diskTargets } from './targets/disks.ts';
import { messageTargets } from './targets/messages.ts';
import { treeTargets } from './targets/trees.ts';

/** Every parser that reads bytes from outside. */
export const TARGETS: readonly FuzzTarget[] = [...messageTargets, ...diskTargets, ...archiveTargets, ...treeTargets];
