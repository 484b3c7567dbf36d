/** The table for people and the JSON for programs. */
import type { Machine } from './machine.js';
import type { Row, RowResult } from './row.js';

export interface Report {
	readonly machine: Machine;
	readonly rounds: number;
	readonly rows: readonly ReportRow[];
}

export interface ReportRow extends RowResult {
	readonly id: string;
	readonly title: string;
}

const COLUMNS = ['row', 'ours', 'reference', 'ratio', 'goal', 'met'] as const;

export function reportRow({ id, title }: Row, result: RowResult): ReportRow {
	return { id, title, ...result };
}

/** A table that is Markdown and reads well in a terminal. */
export function renderTable(rows: readonly ReportRow[]): string {
	const cells = [[...COLUMNS], ...rows.map(cellsOf)];
	const widths = COLUMNS.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
	const line = (row: readonly string[]): string =>
		`| ${widths.map((width, column) => (row[column] ?? '').padEnd(width)).join(' | ')} |`;
	const [head = [], ...body] = cells;
	return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body.map(line)].join('\n');
}

export function renderMarkdown(report: Report): string {
	const { machine, rows } = report;
	const facts = Object.entries(machine).map(([name, value]) => `- ${name}: ${value}`);
	return [
		'# Benchmark report',
		'',
		...facts,
		`- rounds: ${report.rounds}`,
		'',
		renderTable(rows),
		'',
		'## Details',
		...rows.map(renderDetails),
		'',
	].join('\n');
}

function renderDetails({ id, rounds, details = {} }: ReportRow): string {
	const measured = rounds.map(({ ours, reference }) => `${number(ours)} / ${number(reference)}`);
	return [
		`\n### ${id}\n`,
		...Object.entries(details).map(([name, value]) => `- ${name}: ${number(value)}`),
		...(measured.length > 0 ? [`- rounds (ours / reference): ${measured.join(', ')}`] : []),
	].join('\n');
}

function cellsOf(row: ReportRow): string[] {
	const { unit, ours, reference, referenceName, ratio, goal } = row;
	return [
		`${row.id}: ${row.title}`,
		Number.isNaN(ours) ? 'not on this CPU' : `${number(ours)} ${unit}`,
		reference === undefined ? '' : `${number(reference)} ${unit} (${referenceName ?? ''})`,
		ratio === undefined ? '' : `${ratio.toFixed(2)} x`,
		goal?.text ?? '',
		goal?.met === undefined ? '' : goal.met ? 'yes' : 'NO',
	];
}

function number(value: number): string {
	if (Number.isNaN(value)) return 'not measured';
	if (value !== 0 && Math.abs(value) < 0.1) return value.toPrecision(2);
	if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
	return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
}
