/** The store broke a promise. */
export class Violation extends Error {}
