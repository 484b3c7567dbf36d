/** The OpenAPI 3.1 document of REST, made from the definitions and examples of the endpoints. */
import type { TSchema } from 'typebox';
import { type AnswerDefinition, type EndpointDefinition, ENDPOINTS, type HttpMethod } from './definitions.js';
import { tokenScopeOf } from './endpoint-definition.js';
import { type Example, EXAMPLES } from './examples.js';
import { PROBLEM_TYPE } from './problem.js';
import { PROBLEM } from './schemas.js';

interface Fields {
	readonly properties: Readonly<Record<string, TSchema & { readonly description?: string }>>;
	readonly required?: readonly string[];
}

/** `version`: of the node. */
export function openApiDocument(version: string): object {
	const paths: Record<string, Record<string, object>> = {};
	for (const [name, definition] of Object.entries<EndpointDefinition>(ENDPOINTS)) {
		const example = EXAMPLES[name as keyof typeof EXAMPLES];
		for (const method of definition.methods) {
			const operations = (paths[definition.url] ??= {});
			operations[method.toLowerCase()] = operationOf(name, method, definition, example);
		}
	}
	return {
		openapi: '3.1.1',
		info: {
			title: 'Perigee',
			version,
			summary: 'A storage node for AI data.',
			description: 'Errors are problem JSON (RFC 9457) with a `code` from docs/errors.md.',
			license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
		},
		servers: [{ url: '/' }],
		paths,
		components: {
			schemas: { Problem: PROBLEM },
			securitySchemes: {
				token: {
					type: 'http',
					scheme: 'bearer',
					description:
						'Made with perigee token create. Whether one is asked for is a matter of the node: docs/operations.md.',
				},
			},
		},
	};
}

function operationOf(name: string, method: HttpMethod, definition: EndpointDefinition, example: Example): object {
	const { summary, params, query, headers, body, answers } = definition;
	const scope = tokenScopeOf(definition);
	const responses: Record<string, object> = {};
	for (const [status, answer] of Object.entries(answers))
		responses[status] = responseOf(answer, method, Number(status) === example.status ? example : undefined);
	return {
		operationId: method === 'HEAD' ? `${name}Head` : name,
		summary,
		parameters: [
			...parametersOf('path', params, example.params),
			...parametersOf('query', query, example.query),
			...parametersOf('header', headers, example.headers),
		],
		...(body && {
			requestBody: {
				description: body.description,
				required: true,
				content: { [body.contentType]: { ...(body.schema && { schema: body.schema }), example: example.body } },
			},
		}),
		...(scope !== 'open' && { security: [{ token: [scope] }, {}] }),
		responses: {
			...responses,
			default: {
				description: 'Anything else: a problem.',
				...(method !== 'HEAD' && { content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } } }),
			},
		},
	};
}

function parametersOf(
	place: 'path' | 'query' | 'header',
	schema: TSchema | undefined,
	examples: Readonly<Record<string, string>> = {},
): object[] {
	const { properties = {}, required = [] } = (schema ?? {}) as Partial<Fields>;
	const parameters: object[] = [];
	for (const [name, { description, ...type }] of Object.entries(properties)) {
		parameters.push({
			name,
			in: place,
			...(description !== undefined && { description }),
			required: place === 'path' || required.includes(name),
			schema: type,
			...(examples[name] !== undefined && { example: examples[name] }),
		});
	}
	return parameters;
}

function responseOf(
	{ description, contentType, body }: AnswerDefinition,
	method: HttpMethod,
	example?: Example,
): object {
	if (contentType === undefined || method === 'HEAD') return { description };
	const shown = example?.answer === undefined ? {} : { example: example.answer };
	const json = body && { 'application/json': { schema: body, ...(typeof example?.answer === 'object' && shown) } };
	const other = contentType !== 'application/json' && {
		[contentType]: { ...(typeof example?.answer === 'string' && shown) },
	};
	return { description, content: { ...other, ...json } };
}
