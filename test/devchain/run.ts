/**
 * `npm run chain -- <directory>`: a chain to try a node with. anvil with the real flow and market contracts, a block each second, until it is
 * interrupted. The directory gets a configuration of a node that follows it and pays with an account of its own, and the same for a 0G storage node.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEther } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { startChain } from '../support/chain.js';

const BLOCK_MS = 1000;

const [directory] = process.argv.slice(2);
if (directory === undefined) {
	process.stderr.write('usage: npm run chain -- <directory for the configuration>\n');
	process.exit(2);
}
const chain = await startChain();
const key = generatePrivateKey();
await chain.client.setBalance({ address: privateKeyToAccount(key).address, value: parseEther('1000') });
mkdirSync(directory, { recursive: true });
const keyFile = join(directory, 'key');
writeFileSync(keyFile, `${key}\n`, { mode: 0o600 });
writeFileSync(
	join(directory, 'perigee.toml'),
	`dataDir = "${join(directory, 'data')}"

[chain]
endpoints = ["${chain.url}"]
flowAddress = "${chain.flowAddress}"
keyFile = "${keyFile}"
`,
);
writeFileSync(
	join(directory, 'config.toml'),
	`blockchain_rpc_endpoint = "${chain.url}"
log_contract_address = "${chain.flowAddress}"
db_dir = "${join(directory, 'db')}"

[rpc]
listen_address = "127.0.0.1:5678"
listen_address_admin = "127.0.0.1:5679"
listen_address_grpc = "127.0.0.1:50051"
`,
);
const mining = setInterval(() => void chain.mine(1).catch(() => undefined), BLOCK_MS);
process.stdout.write(`${chain.url} has the flow contract ${chain.flowAddress}; ${directory}/perigee.toml follows it\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
	process.once(signal, () => {
		clearInterval(mining);
		void chain.stop().then(() => process.exit(0));
	});
