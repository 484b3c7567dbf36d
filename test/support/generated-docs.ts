/** Path of each generated file, from the top of the checkout → its text. `npm run generate` writes them, CI compares them. */
export const GENERATED_FILES: Readonly<Record<string, () => string>> = {};
