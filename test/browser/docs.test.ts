/** The page for people in a real browser. */
import assert from 'node:assert/strict';
import { browserTest, watch } from '../support/browser.js';
import { put, startRest } from '../support/rest-server.js';
import { type EndpointDefinition, ENDPOINTS } from '../../src/api/rest/definitions.js';

browserTest('/docs shows every operation and runs one, with no errors and nothing from elsewhere', async (t, page) => {
	const rest = await startRest(t);
	await put(rest, Buffer.from('Hello'));
	const { errors, foreign } = watch(page, rest.url);
	await page.goto(`${rest.url}/docs`);
	await page.waitForSelector('.opblock');
	const texts = (part: string): Promise<string[]> => page.locator(`.opblock-summary-${part}`).allTextContents();
	const paths = await texts('path');
	// Swagger UI lets long addresses break at invisible places.
	const shown = (await texts('method')).map((method, index) => `${method} ${paths[index]?.replaceAll('\u200B', '')}`);
	const expected = Object.values<EndpointDefinition>(ENDPOINTS).flatMap(({ methods, url }) =>
		methods.map((method) => `${method} ${url}`),
	);
	assert.deepEqual(shown.sort(), expected.sort());
	const operation = page.locator('.opblock', { has: page.locator('[data-path="/v1/flow"]') }).first();
	await operation.locator('.opblock-summary').click();
	await operation.getByRole('button', { name: 'Try it out' }).click();
	await operation.getByRole('button', { name: 'Execute' }).click();
	const answer = operation.locator('.live-responses-table .highlight-code').first();
	await answer.waitFor();
	assert.match((await answer.textContent()) ?? '', /"lengthSectors": 2/);
	assert.deepEqual({ errors, foreign }, { errors: [], foreign: [] });
});
