import { parse, type Node } from 'acorn';
import { registerHooks, stripTypeScriptTypes } from 'node:module';

/** What a program compares its input with: texts and numbers that stand in its code. */
export interface Literals {
  readonly texts: Set<string>;
  readonly numbers: Set<number>;
}

type AnyNode = Node & Readonly<Record<string, unknown>>;

let places = 0;

/** Of all that was instrumented. */
export function placesInUse(): number {
  return places;
}

/** Instruments every module below `folder` that is loaded from now on in this thread, and collects its literals. */
export function instrumentModules(folder: URL, literals: Literals): void {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (!url.startsWith(folder.href) || loaded.source === undefined || loaded.source === null) return loaded;
      const text = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString();
      return {
        format: 'module',
        source: instrument(url.endsWith('.ts') ? stripTypeScriptTypes(text) : text, literals),
        shortCircuit: true,
      };
    },
  });
}

/**
 * Counts each branch that is taken, and shows both sides of each comparison, without changing what the code does or the line that any
 * of it stands in.
 */
export function instrument(code: string, literals: Literals): string {
  const opens: Insertion[] = [];
  const closes: Insertion[] = [];
  const count = (): string => `__fuzz.counters[${places++}]++`;
  const around = (node: AnyNode, before: string, after: string, go: () => void): void => {
    opens.push({ at: node.start, text: before });
    go();
    closes.push({ at: node.end, text: after });
  };

  function branch(node: AnyNode): void {
    if (node.type === 'BlockStatement') {
      opens.push({ at: node.start + 1, text: `${count()};` });
      children(node);
    } else {
      around(node, `{${count()};`, '}', () => {
        walk(node);
      });
    }
  }

  function choice(node: AnyNode): void {
    around(node, `(${count()},`, ')', () => {
      walk(node);
    });
  }

  function walk(node: AnyNode): void {
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
        return;
      case 'FunctionDeclaration':
      case 'FunctionExpression':
      case 'ArrowFunctionExpression': {
        for (const parameter of node['params'] as AnyNode[]) walk(parameter);
        const body = node['body'] as AnyNode;
        if (body.type === 'BlockStatement') branch(body);
        else choice(body);
        return;
      }
      case 'IfStatement':
        walk(node['test'] as AnyNode);
        branch(node['consequent'] as AnyNode);
        if (node['alternate'] !== null) branch(node['alternate'] as AnyNode);
        return;
      case 'ForStatement':
      case 'ForInStatement':
      case 'ForOfStatement':
      case 'WhileStatement':
      case 'DoWhileStatement':
        for (const [key, child] of Object.entries(node)) if (isNode(child)) (key === 'body' ? branch : walk)(child);
        return;
      case 'SwitchCase': {
        if (node['test'] !== null) walk(node['test'] as AnyNode);
        const [first] = node['consequent'] as AnyNode[];
        if (first !== undefined) opens.push({ at: first.start, text: `${count()};` });
        for (const child of node['consequent'] as AnyNode[]) walk(child);
        return;
      }
      case 'ConditionalExpression':
        walk(node['test'] as AnyNode);
        choice(node['consequent'] as AnyNode);
        choice(node['alternate'] as AnyNode);
        return;
      case 'LogicalExpression':
        walk(node['left'] as AnyNode);
        choice(node['right'] as AnyNode);
        return;
      case 'BinaryExpression': {
        const left = node['left'] as AnyNode;
        const right = node['right'] as AnyNode;
        if (!COMPARISONS.has(node['operator'] as string)) break;
        around(left, '__fuzz.left(', ')', () => {
          walk(left);
        });
        around(right, '__fuzz.right(', ')', () => {
          walk(right);
        });
        return;
      }
      case 'Literal':
        if (typeof node['value'] === 'string' && node['value'].length <= 64) literals.texts.add(node['value']);
        if (typeof node['value'] === 'number' && Number.isSafeInteger(node['value'])) literals.numbers.add(node['value']);
        return;
      default:
    }
    children(node);
  }

  function children(node: AnyNode): void {
    for (const child of Object.values(node)) {
      if (Array.isArray(child)) child.filter(isNode).forEach(walk);
      else if (isNode(child)) walk(child);
    }
  }

  walk(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }) as unknown as AnyNode);
  return insert(code, opens, closes);
}

const COMPARISONS: ReadonlySet<string> = new Set(['===', '!==', '<', '>', '<=', '>=']);

interface Insertion {
  readonly at: number;
  readonly text: string;
}

/** `opens` from the outside in, `closes` from the inside out. */
function insert(code: string, opens: readonly Insertion[], closes: readonly Insertion[]): string {
  const ordered = [...closes.map((one) => ({ ...one, rank: 0 })), ...opens.map((one) => ({ ...one, rank: 1 }))].sort(
    (a, b) => a.at - b.at || a.rank - b.rank,
  );
  let text = '';
  let at = 0;
  for (const insertion of ordered) {
    text += code.slice(at, insertion.at) + insertion.text;
    at = insertion.at;
  }
  return text + code.slice(at);
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}
