import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { type EndpointDefinition, ENDPOINTS } from '../../../src/api/rest/definitions.js';
import { EXAMPLE_FILE, type Example, EXAMPLES, UPLOAD_ID } from '../../../src/api/rest/examples.js';
import { type Answer, ask, put, type RestServer, startRest } from '../../support/rest-server.js';

/** Makes the call of an example on a node of its own. */
async function callOf(t: TestContext, definition: EndpointDefinition, example: Example): Promise<Answer> {
	const rest = await startRest(t);
	const { name, text, type } = EXAMPLE_FILE;
	if (!example.isFirst) await put(rest, Buffer.from(text), name, { 'Content-Type': type });
	if (example.params?.['id'] === UPLOAD_ID)
		await rest.store.resumables.create({ name, contentType: type, metadata: '', sizeBytes: text.length });
	if (example.directory !== undefined) await storeDirectory(rest, example.directory);
	let url = definition.url;
	for (const [part, value] of Object.entries(example.params ?? {})) url = url.replace(`{${part}}`, value);
	assert.ok(!url.includes('{'), url);
	const query = new URLSearchParams(example.query).toString();
	return ask(rest, query === '' ? url : `${url}?${query}`, {
		method: definition.methods[0] as string,
		headers: { ...example.headers },
		...(example.body !== undefined && { body: example.body }),
	});
}

/** Stores the form of an example as a directory. */
async function storeDirectory(rest: RestServer, name: string): Promise<void> {
	const { headers, body } = EXAMPLES.postUpload;
	const stored = await ask(rest, `/v1/upload?directory=${name}`, {
		method: 'POST',
		headers: { ...headers },
		body: body as string,
	});
	assert.equal(stored.status, 201, stored.text);
}

interface Fields {
	readonly properties: Readonly<Record<string, unknown>>;
}

/** Named fields of a schema of parts of an address. */
function namesIn(schema: object | undefined): readonly string[] {
	return schema && 'properties' in schema ? Object.keys((schema as Fields).properties) : [];
}

/** The same with the times and versions of the example. */
function likeExample(answer: Answer): unknown {
	if (!String(answer.headers['content-type']).includes('json')) return answer.text;
	return JSON.parse(
		answer.text
			.replaceAll(/"uploadedAt":"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '"uploadedAt":"2026-11-22T12:00:00.000Z"')
			.replaceAll('"9.9.9"', '"0.1.0"'),
	);
}

for (const [name, definition] of Object.entries<EndpointDefinition>(ENDPOINTS)) {
	test(`the example of ${name} is answered as it says`, async (t) => {
		const example = EXAMPLES[name as keyof typeof EXAMPLES];
		const answer = await callOf(t, definition, example);
		assert.equal(answer.status, example.status);
		assert.ok(definition.answers[answer.status], 'the status stands in the definition');
		if (example.answer !== undefined) assert.deepEqual(likeExample(answer), example.answer);
		for (const [schema, values] of [
			[definition.params, example.params],
			[definition.query, example.query],
		] as const) {
			const known = namesIn(schema);
			for (const key of Object.keys(values ?? {})) assert.ok(known.includes(key), `${key} stands in the definition`);
		}
	});
}

test('the document of a node is OpenAPI 3.1 and names every address and method', async (t) => {
	const rest = await startRest(t);
	const { headers, json } = await ask(rest, '/openapi.json');
	assert.equal(headers['content-type'], 'application/json');
	const { valid, errors } = await new Validator().validate(structuredClone(json));
	assert.ok(valid, JSON.stringify(errors));
	const paths = json['paths'] as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
	for (const { url, methods } of Object.values<EndpointDefinition>(ENDPOINTS))
		for (const method of methods) assert.ok(paths[url]?.[method.toLowerCase()], `${method} ${url}`);
	assert.equal((json['info'] as Record<string, unknown>)['version'], '9.9.9');
});

test('the page for people has all its files and lets nobody else run anything', async (t) => {
	const rest = await startRest(t);
	const page = await ask(rest, '/docs');
	assert.equal(page.status, 200);
	assert.match(String(page.headers['content-security-policy']), /default-src 'none'; script-src 'self';/);
	const files = [...page.text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path as string);
	assert.equal(files.length, 3);
	for (const path of files) {
		const file = await ask(rest, path);
		assert.deepEqual([file.status, file.headers['x-content-type-options']], [200, 'nosniff'], path);
		assert.match(String(file.headers['content-type']), path.endsWith('.css') ? /^text\/css/ : /^text\/javascript/);
		assert.ok(file.body.length > 50);
	}
	for (const path of ['/docs/x', '/docs/package.json', '/docs/..%2Fpackage.json', '/docs/constructor'])
		assert.equal((await ask(rest, path)).status, 404, path);
});
