import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EndpointDefinition, ENDPOINTS } from '../../../src/api/rest/definitions.js';
import { EXAMPLES } from '../../../src/api/rest/examples.js';
import { ask, put, startRest } from '../../support/rest-server.js';

const ROOT = `0x${'0'.repeat(64)}`;

function propertiesOf(schema: { readonly properties?: object } = {}): object {
	return schema.properties ?? {};
}

for (const [name, definition] of Object.entries<EndpointDefinition>(ENDPOINTS)) {
	if (definition.anyQuery === true) continue;
	test(`${name} refuses a parameter that it does not declare, and one that comes twice`, async (t) => {
		const rest = await startRest(t);
		const example = EXAMPLES[name as keyof typeof EXAMPLES] as { readonly params?: Readonly<Record<string, string>> };
		const path = definition.url.replaceAll(/\{(\w+)\}/g, (_, part: string) => example.params?.[part] ?? '');
		const declared = Object.keys(propertiesOf(definition.query));
		for (const method of definition.methods) {
			const answer = await ask(rest, `${path}?_=123`, { method, headers: { 'Content-Length': 0 } });
			assert.equal(answer.status, 400, method);
			if (method === 'HEAD') continue;
			assert.equal(answer.json['code'], 'BAD_REQUEST');
			assert.match(String(answer.json['detail']), /^There is no parameter "_" here; /);
			for (const parameter of declared) {
				assert.ok(String(answer.json['detail']).includes(parameter));
				const twice = await ask(rest, `${path}?${parameter}=1&${parameter}=1`, {
					method,
					headers: { 'Content-Length': 0 },
				});
				assert.deepEqual([twice.status, twice.json['detail']], [400, `${parameter} is given once.`]);
			}
		}
	});
}

test('the nearest parameter is suggested, long names are cut, and files of the page take any', async (t) => {
	const rest = await startRest(t);
	const detailOf = async (path: string): Promise<string> => String((await ask(rest, path)).json['detail']);
	assert.match(await detailOf('/v1/files?limt=3'), /"limt" here; there are limit, .* Did you mean limit\?$/);
	assert.match(await detailOf(`/v1/files/${ROOT}?prof=range`), / Did you mean proof\?$/);
	assert.match(await detailOf(`/v1/files/${ROOT}/segments/0?x=1`), /"x" here; there is proof\.$/);
	assert.match(await detailOf('/v1/flow?at=1'), /"at" here; this address takes none\.$/);
	assert.match(await detailOf('/v1/flow?__proto__=1'), /no parameter "__proto__"/);
	assert.match(await detailOf('/v1/files?toString=1'), /no parameter "toString"/);
	assert.ok((await detailOf(`/v1/flow?${'x'.repeat(5000)}`)).length < 200);
	assert.equal((await ask(rest, '/docs/swagger-ui.css?v=5')).status, 200);
});

test('an empty query and a percent-encoded question mark are nothing to refuse', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, Buffer.from('hello'), 'what?');
	assert.equal((await ask(rest, `/v1/files/${root}?`)).status, 200);
	assert.equal((await ask(rest, `/v1/files/${root}/info`)).json['name'], 'what?');
});

test('a parameter with a wrong value is refused whatever else the request says', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, Buffer.from('hello'));
	const url = `/v1/files/${root}`;
	for (const query of ['verify=x', 'proof=x', 'links=skip', 'archive=tar&proof=range', 'archive=tar&verify=merkle'])
		for (const [method, headers] of [
			['GET', {}],
			['HEAD', {}],
			['GET', { 'If-None-Match': `"${root}"` }],
		] as const)
			assert.equal((await ask(rest, `${url}?${query}`, { method, headers })).status, 400, `${method} ${query}`);
});

test('a slash too many or too few at the end of an address is told', async (t) => {
	const rest = await startRest(t);
	const detailOf = async (method: string, path: string): Promise<string> =>
		String((await ask(rest, path, { method, headers: { 'Content-Length': 0 } })).json['detail']);
	assert.match(await detailOf('POST', '/v1/tus'), /^Nothing answers at \/v1\/tus\. POST is taken at \/v1\/tus\/\.$/);
	assert.match(await detailOf('PUT', '/v1/upload'), /not allowed here; POST is\. PUT is taken at \/v1\/upload\/\.$/);
	assert.match(await detailOf('GET', '/v1/flow/'), /GET is taken at \/v1\/flow\.$/);
	assert.match(await detailOf('GET', '/nowhere/'), /^Nothing answers at \/nowhere\/\.$/);
});
