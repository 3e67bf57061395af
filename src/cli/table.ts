export interface Column<Row> {
  readonly label: string;
  readonly value: (row: Row) => string;
  readonly align?: 'right';
}

/** Rows as aligned text, or `empty` when there are none. Names come from strangers: control characters are taken out. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], empty: string): string {
  if (rows.length === 0) return empty;
  const lines = [columns.map(({ label }) => label), ...rows.map((row) => columns.map(({ value }) => printable(value(row))))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]!.length)));
  return lines
    .map((line) =>
      line
        .map((text, index) => (columns[index]!.align === 'right' ? text.padStart(widths[index]!) : text.padEnd(widths[index]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** For a cell or a line: not even an end of line stays. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}
