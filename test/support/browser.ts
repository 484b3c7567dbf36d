/** A real browser for tests: Chromium as it is installed on the machine (CHROMIUM_PATH, else on the path). Without one, tests say so and are skipped. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { chromium, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

function isExecutable(path: string): boolean {
	try {
		accessSync(path, constants.X_OK);
		return true;
	} catch {
		// Not there, or not to be run: the next one is looked for.
		return false;
	}
}

function findBrowser(): string | undefined {
	const named = process.env['CHROMIUM_PATH'];
	if (named) return named;
	const folders = (process.env['PATH'] ?? '').split(delimiter);
	return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isExecutable);
}

const BROWSER = findBrowser();

/** What a page did that it should not: errors, and requests that left `origin`. */
export interface Watched {
	readonly page: Page;
	readonly errors: string[];
	readonly foreign: string[];
}

/** Opens an empty page. Everything ends with the test. */
async function openPage(t: TestContext, executablePath: string): Promise<Page> {
	const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
	t.after(() => browser.close());
	return browser.newPage();
}

/** Notes what goes wrong on a page of `origin`. */
export function watch(page: Page, origin: string): Watched {
	const errors: string[] = [];
	const foreign: string[] = [];
	page.on('pageerror', (error) => errors.push(String(error)));
	page.on('console', (message) => {
		if (message.type() === 'error' || message.type() === 'warning')
			errors.push(`${message.text()} (${message.location().url})`);
	});
	page.on('request', (request) => {
		const { protocol, origin: asked } = new URL(request.url());
		if (asked !== origin && protocol !== 'data:' && protocol !== 'blob:') foreign.push(request.url());
	});
	return { page, errors, foreign };
}

/** A test with a page of a real browser; skipped, with the reason, where there is none. */
export function browserTest(name: string, run: (t: TestContext, page: Page) => Promise<void>): void {
	const skip = BROWSER === undefined && 'no browser: install chromium, or name one in CHROMIUM_PATH';
	test(name, { skip }, async (t) => run(t, await openPage(t, BROWSER as string)));
}

/** Lets a page of `origin` load files of this checkout under their names, and an empty page of that origin to load them from. */
export async function openOrigin(page: Page, origin: string, files: Readonly<Record<string, string>>): Promise<void> {
	for (const [name, path] of Object.entries(files))
		await page.route(`${origin}/${name}`, (route) => route.fulfill({ path, contentType: 'text/javascript' }));
	await page.route(`${origin}/empty`, (route) =>
		route.fulfill({
			body: '<!doctype html><title>empty</title><link rel="icon" href="data:,">',
			contentType: 'text/html',
		}),
	);
	await page.goto(`${origin}/empty`);
}
