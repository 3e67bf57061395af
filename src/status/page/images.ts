import type { SwarmImage } from '../swarm-document.ts';
import { el, setText } from './dom.ts';
import { shortDigest, size } from './format.ts';
import type { Model } from './model.ts';
import { Rows } from './rows.ts';
import { compareNames } from './zones.ts';

/** Images, and which nodes hold, partly hold or lack them. */
export class Images {
  readonly #rows: Rows<SwarmImage>;
  readonly #model: Model;

  constructor(model: Model) {
    this.#model = model;
    const names = (numbers: readonly number[]): string[] => numbers.map((number) => model.nameOfNumber(number)).sort(compareNames);
    this.#rows = new Rows<SwarmImage>({
      section: 'images',
      perPage: 15,
      empty: 'No node has an image yet. "layerswarm seed" puts one in, "layerswarm pull" brings one here.',
      key: ({ reference, digest }) => `${reference}@${digest}`,
      haystack: ({ reference, digest, lacks }) => [reference, digest, lacks === 0 ? 'complete everywhere' : 'incomplete'],
      columns: [
        { label: 'Image', kind: 'name', text: ({ reference }) => reference, title: ({ reference }) => reference },
        { label: 'Digest', kind: 'wide', text: ({ digest }) => shortDigest(digest), title: ({ digest }) => digest },
        { label: 'Size', kind: 'number', text: ({ sizeBytes }) => size(sizeBytes) },
        { label: 'Held by', kind: 'number', text: ({ holds, partly, lacks }) => `${holds} of ${holds + partly + lacks}` },
        { label: 'Lacking', text: (image) => lacking(image, names), tone: ({ lacks, partly }) => (lacks + partly === 0 ? 'soft' : '') },
      ],
      more: (element, image) => {
        if (element.childElementCount === 0)
          element.append(...['Hold it', 'Have a part of it', 'Lack it'].map((label) => el('p', {}, el('strong', {}, label), el('span'))));
        const lists = [
          [image.holds, image.holdsNodes],
          [image.partly, image.partlyNodes],
          [image.lacks, image.lacksNodes],
        ] as const;
        for (const [index, [total, numbers]] of lists.entries()) {
          const line = element.children[index] as HTMLElement;
          line.hidden = total === 0;
          setText(
            line.lastElementChild!,
            ` ${names(numbers).join(', ')}${total > numbers.length ? ` and ${total - numbers.length} more` : ''}`,
          );
        }
      },
    });
  }

  show(filter: string): number {
    const images = [...this.#model.images.values()].sort(
      (a, b) => compareNames(a.reference, b.reference) || compareNames(a.digest, b.digest),
    );
    setText(document.getElementById('h-images')!, images.length === 0 ? 'Images' : `Images ${images.length}`);
    return this.#rows.show(images, filter);
  }
}

function lacking({ partly, lacks, lacksNodes, partlyNodes }: SwarmImage, names: (numbers: readonly number[]) => string[]): string {
  if (lacks + partly === 0) return 'nobody';
  const [first] = names(lacks > 0 ? lacksNodes : partlyNodes);
  const total = lacks + partly;
  return total === 1 ? first! : `${first!} and ${total - 1} more`;
}
