// Texts with {placeholders}, filled in one pass.

const placeholder = /\{(\w+)\}/g;

/** The template with every `{name}` replaced; what a value spells is not looked at again. */
export function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replaceAll(placeholder, (whole, name: string) =>
    Object.hasOwn(values, name) ? (values[name] ?? "") : whole,
  );
}

/** The names of a template's placeholders. */
export function placeholdersOf(template: string): string[] {
  return [...template.matchAll(placeholder)].map((match) => match[1] ?? "");
}
