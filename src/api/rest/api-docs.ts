/** What REST says about itself: the OpenAPI document, and a page to read it and to try it out. */
import type { ServerResponse } from 'node:http';
import { readPackageFile } from '../../config/package-file.js';
import { PerigeeError } from '../../errors.js';
import { ENDPOINTS } from './definitions.js';
import type { Endpoint } from './endpoint.js';
import { sendJson } from './json.js';
import { openApiDocument } from './openapi.js';

/** Changes with the version alone. */
const SHORTLY = ['Cache-Control', 'public, max-age=300'];
/** The page runs its own scripts and nobody else's, and asks this node alone. */
const POLICY = [
	'Content-Security-Policy',
	"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
];

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Perigee: REST</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
`;
const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui', deepLinking: true });\n`;

/** The files of Swagger UI as @fastify/swagger-ui ships them; its plugin would cost every start its loading. */
const ASSETS: Readonly<Record<string, string>> = {
	'swagger-ui.css': 'text/css; charset=utf-8',
	'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
};

export const openApi: Endpoint = {
	definition: ENDPOINTS.openApi,
	async handle(context, _request, response) {
		sendJson(response, 200, openApiDocument(context.version), SHORTLY);
	},
};

export const docsPage: Endpoint = {
	definition: ENDPOINTS.docsPage,
	async handle(_context, _request, response) {
		send(response, Buffer.from(PAGE), 'text/html; charset=utf-8');
	},
};

export const docsAsset: Endpoint = {
	definition: ENDPOINTS.docsAsset,
	async handle(_context, request, response) {
		const name = request.params['asset'] ?? '';
		if (name === 'start.js') {
			send(response, Buffer.from(START), 'text/javascript; charset=utf-8');
			return;
		}
		const contentType = Object.hasOwn(ASSETS, name) ? ASSETS[name] : undefined;
		if (contentType === undefined) throw new PerigeeError('NOT_FOUND', `The page has no file ${name.slice(0, 64)}.`);
		send(response, await readPackageFile(`@fastify/swagger-ui/static/${name}`), contentType);
	},
};

function send(response: ServerResponse, body: Buffer, contentType: string): void {
	response.writeHead(200, [
		'Content-Type',
		contentType,
		'Content-Length',
		String(body.length),
		'X-Content-Type-Options',
		'nosniff',
		...POLICY,
		...SHORTLY,
	]);
	response.end(body);
}
