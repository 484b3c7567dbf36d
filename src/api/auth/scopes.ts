/** What a token may be good for. None includes another: a token has those that its entry lists. */
export const SCOPES = ['read', 'write', 'admin'] as const;

export type Scope = (typeof SCOPES)[number];
