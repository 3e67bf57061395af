type Collections = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** What of a document of keyed entries changed since it was last seen, as JSON: `{"full", "set", "gone"}`, as `SwarmChange` has it. */
export class EntryDiff {
  /** The JSON of each entry. */
  #seen = new Map<string, ReadonlyMap<string, string>>();

  /** Undefined where nothing changed. */
  change(document: Collections): string | undefined {
    const set: [string, [string, string][]][] = [];
    const gone: Record<string, string[]> = {};
    for (const [collection, entries] of Object.entries(document)) {
      const before = this.#seen.get(collection);
      const now = new Map(Object.entries(entries).map(([key, value]) => [key, JSON.stringify(value)]));
      const changed = [...now].filter(([key, json]) => before?.get(key) !== json);
      const missing = [...(before?.keys() ?? [])].filter((key) => !now.has(key));
      if (changed.length > 0) set.push([collection, changed]);
      if (missing.length > 0) gone[collection] = missing;
      this.#seen.set(collection, now);
    }
    return set.length === 0 && Object.keys(gone).length === 0 ? undefined : toJson(false, set, JSON.stringify(gone));
  }

  /** All that was seen last. */
  whole(): string {
    return toJson(
      true,
      [...this.#seen].map(([collection, entries]) => [collection, [...entries]]),
      '{}',
    );
  }

  /** The next change holds everything. */
  forget(): void {
    this.#seen = new Map();
  }
}

function toJson(full: boolean, set: readonly (readonly [string, readonly (readonly [string, string])[]])[], gone: string): string {
  const collections = set.map(
    ([collection, entries]) =>
      `${JSON.stringify(collection)}:{${entries.map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`,
  );
  return `{"full":${String(full)},"set":{${collections.join(',')}},"gone":${gone}}`;
}
