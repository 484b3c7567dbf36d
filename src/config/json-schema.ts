/**
 * The few TypeBox types that the node's schemas are made of, built without loading TypeBox: its modules take a quarter of
 * the time in which a node starts, and only documentation and tests ever check a value against a schema. What is built
 * here equals what TypeBox builds (a test compares them), so everything that takes TypeBox types takes these.
 */
import type {
	TAny,
	TArray,
	TBoolean,
	TInteger,
	TLiteral,
	TLiteralValue,
	TObject,
	TOptional,
	TProperties,
	TSchema,
	TSchemaOptions,
	TString,
	TUnion,
} from 'typebox';

export const Type = {
	Any: (options?: TSchemaOptions) => build('Any', {}, options) as TAny,
	String: (options?: TSchemaOptions) => build('String', { type: 'string' }, options) as TString,
	Integer: (options?: TSchemaOptions) => build('Integer', { type: 'integer' }, options) as TInteger,
	Boolean: (options?: TSchemaOptions) => build('Boolean', { type: 'boolean' }, options) as TBoolean,
	Literal: <V extends TLiteralValue>(value: V, options?: TSchemaOptions) =>
		build('Literal', { type: typeof value, const: value }, options) as TLiteral<V>,
	Array: <T extends TSchema>(items: T, options?: TSchemaOptions) =>
		build('Array', { type: 'array', items }, options) as TArray<T>,
	Union: <T extends TSchema[]>(anyOf: [...T], options?: TSchemaOptions) =>
		build('Union', { anyOf }, options) as TUnion<T>,
	Object: <P extends TProperties>(properties: P, options?: TSchemaOptions) => {
		const required = Object.keys(properties).filter((name) => !('~optional' in (properties[name] ?? {})));
		const members = required.length > 0 ? { type: 'object', required, properties } : { type: 'object', properties };
		return build('Object', members, options) as TObject<P>;
	},
	Optional: <T extends TSchema>(schema: T): TOptional<T> => {
		const copy = Object.create(Object.prototype, Object.getOwnPropertyDescriptors(schema)) as T;
		return Object.defineProperty(copy, '~optional', { value: true }) as TOptional<T>;
	},
};

function build(kind: string, members: object, options: TSchemaOptions = {}): object {
	// Marks of TypeBox are no part of the JSON.
	return Object.defineProperty({ ...members, ...options }, '~kind', { value: kind });
}
