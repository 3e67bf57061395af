import type { Option } from 'commander';

/** What stands below a command's options. */
export function helpText(examples: readonly string[]): string {
  return `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}`;
}

/** An option's meaning, with its choices and its default; an empty list is no default that helps anybody. */
export function optionText({ description, argChoices, defaultValue, defaultValueDescription }: Option): string {
  const facts = [
    ...(argChoices === undefined ? [] : [`choices: ${argChoices.join(', ')}`]),
    ...(defaultValueDescription !== undefined
      ? [`default: ${defaultValueDescription}`]
      : defaultValue === undefined ||
          defaultValue === false ||
          (Array.isArray(defaultValue) && defaultValue.length === 0) ||
          typeof defaultValue === 'boolean'
        ? []
        : [`default: ${String(defaultValue)}`]),
  ];
  return facts.length === 0 ? description : `${description} (${facts.join('; ')})`;
}
