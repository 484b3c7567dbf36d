// SPDX-License-Identifier: Apache-2.0
// The rules of mining as a contract (spec pora-and-contracts §3), so that answers are judged on a real EVM by code that shares nothing with
// the node. For tests alone: parameters never change, and nobody may pause it.
pragma solidity ^0.8.20;

struct MineContext {
	uint256 epoch;
	uint256 mineStart;
	bytes32 flowRoot;
	uint256 flowLength;
	bytes32 blockDigest;
	bytes32 digest;
}

struct EpochRange {
	uint128 start;
	uint128 end;
}

struct MineRange {
	uint256 startPosition;
	uint256 mineLength;
	uint64 shardId;
	uint64 shardMask;
}

struct PoraAnswer {
	bytes32 contextDigest;
	bytes32 nonce;
	bytes32 minerId;
	MineRange range;
	uint256 recallPosition;
	uint256 sealOffset;
	bytes32 sealedContextDigest;
	bytes32[128] sealedData;
	bytes32[] merkleProof;
}

struct Params {
	uint256 difficulty;
	uint256 targetMineBlocks;
	uint256 targetSubmissions;
	uint64 maxShards;
	uint256 nSubtasks;
	uint256 subtaskInterval;
}

interface IFlow {
	function makeContextWithResult() external returns (MineContext memory);
	function getEpochRange(bytes32 digest) external view returns (EpochRange memory);
}

interface IReward {
	function claimMineReward(uint256 pricingIndex, address beneficiary, bytes32 minerId) external;
}

contract PoraMine {
	bytes32 constant EMPTY_HASH = keccak256("");
	address constant WORKER = 0x000000000000000000000000000000000000000A;
	address constant BLOCK_HASHES = 0x0000F90827F1C53a10cb7A02335B175320002935;
	address constant BLAKE2F = address(9);
	uint256 constant SECTORS_PER_LOAD = 1024;
	uint256 constant SECTORS_PER_SEAL = 16;
	uint256 constant SECTORS_PER_PRICE = 1 << 25;
	uint256 constant MOST_SECTORS = 1 << 35;
	uint256 constant ADJUST_RATIO = 20;

	uint256 public constant poraVersion = 1;

	IFlow public flow;
	IReward public reward;
	uint256 public targetMineBlocks;
	uint256 public targetSubmissions;
	uint64 public maxShards;
	uint256 public nSubtasks;
	uint256 public subtaskInterval;
	uint256 public lastMinedEpoch;
	uint256 public currentSubmissions;
	uint256 public poraTarget;
	mapping(bytes32 => address) public beneficiaries;
	mapping(bytes32 => bool) submitted;

	event NewMinerId(bytes32 indexed minerId, address indexed beneficiary);
	event NewSubmission(uint256 indexed epoch, bytes32 indexed minerId, uint256 epochIndex, uint256 recallPosition);

	function initialize(IFlow flow_, IReward reward_, Params calldata params) external {
		require(address(flow) == address(0), "initialized before");
		flow = flow_;
		reward = reward_;
		poraTarget = type(uint256).max / params.difficulty;
		targetMineBlocks = params.targetMineBlocks;
		targetSubmissions = params.targetSubmissions;
		maxShards = params.maxShards;
		nSubtasks = params.nSubtasks;
		subtaskInterval = params.subtaskInterval;
	}

	function requestMinerId(address beneficiary, uint64 seed) external returns (bytes32 minerId) {
		minerId = keccak256(abi.encodePacked(blockhash(block.number - 1), msg.sender, seed));
		require(beneficiaries[minerId] == address(0), "MinerId has registered");
		beneficiaries[minerId] = beneficiary;
		emit NewMinerId(minerId, beneficiary);
	}

	function canSubmit() public view returns (bool) {
		return currentSubmissions < 2 * targetSubmissions;
	}

	function computeWorkerContext(
		bytes32 minerId
	) external returns (MineContext memory context, uint256 target, bytes32 subtaskDigest, uint64 shards) {
		require(msg.sender == WORKER, "Only authorized caller can compute worker context");
		requireMiner(minerId);
		context = flow.makeContextWithResult();
		shards = maxShards;
		uint256 start = subtaskStart(context, minerId);
		if (block.number <= start || block.number > start + targetMineBlocks) return (context, 0, 0, shards);
		subtaskDigest = keccak256(abi.encode(context.digest, hashOf(start)));
		roll(context.epoch);
		target = canSubmit() ? poraTarget : 0;
	}

	function submit(PoraAnswer calldata answer) external {
		requireMiner(answer.minerId);
		MineContext memory context = flow.makeContextWithResult();
		roll(context.epoch);
		uint256 start = subtaskStart(context, answer.minerId);
		require(block.number > start, "Earlier than expected subtask start block.");
		require(block.number <= start + targetMineBlocks, "Mine deadline exceed");
		bytes32 subtaskDigest = keccak256(abi.encode(context.digest, hashOf(start)));
		checkBasics(answer, context);
		uint256 shards = shardsOf(answer.range.shardMask);
		require(shards <= maxShards, "Exceeding the allowed number of shards");
		require(provedRoot(answer) == context.flowRoot, "Inconsistent merkle root");
		bytes32 output = pora(answer, subtaskDigest);
		uint256 scale = (min(context.flowLength, MOST_SECTORS) << 64) / min(context.flowLength / shards, MOST_SECTORS);
		require(uint256(output) <= (poraTarget / scale) << 64, "Do not reach target quality");
		require(!submitted[output], "Answer has been submitted");
		submitted[output] = true;
		reward.claimMineReward(answer.recallPosition / SECTORS_PER_PRICE, beneficiaries[answer.minerId], answer.minerId);
		emit NewSubmission(context.epoch, answer.minerId, currentSubmissions, answer.recallPosition);
		lastMinedEpoch = context.epoch;
		currentSubmissions += 1;
	}

	function requireMiner(bytes32 minerId) private view {
		require(minerId != 0, "MinerId cannot be zero");
		require(beneficiaries[minerId] != address(0), "MinerId does not registered");
	}

	/// An epoch later than the last one that was mined begins anew.
	function roll(uint256 epoch) private {
		require(epoch >= lastMinedEpoch, "Internal error: epoch number decrease");
		if (epoch == lastMinedEpoch || lastMinedEpoch == 0) return;
		uint256 most = type(uint256).max >> 16;
		uint256 target = poraTarget >> 16;
		uint256 expected = currentSubmissions > 0 ? (target * targetSubmissions) / currentSubmissions : most;
		uint256 next = (target * (ADJUST_RATIO - 1) + expected) / ADJUST_RATIO;
		next = min(next, 2 * target);
		next = min(next < target / 2 ? target / 2 : next, most);
		poraTarget = next << 16;
		currentSubmissions = 0;
	}

	function subtaskStart(MineContext memory context, bytes32 minerId) private view returns (uint256) {
		uint256 index = uint256(keccak256(abi.encode(context.digest, minerId))) % nSubtasks;
		return context.mineStart + index * subtaskInterval;
	}

	function hashOf(uint256 number) private view returns (bytes32) {
		uint256 distance = block.number - number;
		if (distance <= 256) return blockhash(number);
		if (distance > 8191) return 0;
		(bool isThere, bytes memory answer) = BLOCK_HASHES.staticcall(abi.encode(number));
		return isThere && answer.length == 32 ? abi.decode(answer, (bytes32)) : bytes32(0);
	}

	function checkBasics(PoraAnswer calldata answer, MineContext memory context) private view {
		require(answer.contextDigest == context.digest, "Inconsistent mining digest");
		require(context.digest != EMPTY_HASH, "Empty digest can not mine");
		require(canSubmit(), "Epoch has enough submissions");
		MineRange calldata range = answer.range;
		uint256 end = (context.flowLength / SECTORS_PER_LOAD) * SECTORS_PER_LOAD;
		uint256 most = MOST_SECTORS * shardsOf(range.shardMask);
		require(range.startPosition % SECTORS_PER_PRICE == 0, "Start position is not aligned");
		require(range.startPosition + range.mineLength <= end, "Mining range overflow");
		require(range.mineLength <= most, "Mining range too long");
		require(range.mineLength >= min(end, most), "Mining range too short");
		require(range.shardId & range.shardMask == 0, "Masked bits should be zero");
		EpochRange memory owner = flow.getEpochRange(answer.sealedContextDigest);
		uint256 sealEnd = answer.recallPosition + SECTORS_PER_SEAL;
		require(owner.start < sealEnd && owner.end >= sealEnd, "Invalid sealed context digest");
	}

	function shardsOf(uint64 mask) private pure returns (uint256 shards) {
		shards = 1;
		for (uint256 bit = 0; bit < 64; bit++) if ((mask >> bit) & 1 == 0) shards *= 2;
	}

	/// The flow root to which the unsealed data and the proof lead.
	function provedRoot(PoraAnswer calldata answer) private pure returns (bytes32) {
		require(answer.sealedContextDigest != EMPTY_HASH, "Digest can not be empty");
		bytes32[128] memory plain;
		bytes32 mask = keccak256(abi.encode(answer.minerId, answer.sealedContextDigest, answer.recallPosition));
		for (uint256 word = 0; word < 128; word++) {
			plain[word] = answer.sealedData[word] ^ mask;
			mask = keccak256(abi.encode(answer.sealedData[word]));
		}
		bytes32[16] memory hashes;
		for (uint256 sector = 0; sector < 16; sector++) {
			bytes32 leaf;
			assembly {
				leaf := keccak256(add(plain, mul(sector, 256)), 256)
			}
			hashes[sector] = leaf;
		}
		for (uint256 width = 8; width > 0; width /= 2)
			for (uint256 at = 0; at < width; at++) hashes[at] = keccak256(abi.encode(hashes[2 * at], hashes[2 * at + 1]));
		bytes32 hash = hashes[0];
		uint256 index = answer.recallPosition / SECTORS_PER_SEAL;
		for (uint256 at = 0; at < answer.merkleProof.length; at++) {
			bytes32 sibling = answer.merkleProof[at];
			hash = index % 2 == 0 ? keccak256(abi.encode(hash, sibling)) : keccak256(abi.encode(sibling, hash));
			index /= 2;
		}
		return hash;
	}

	/// The quality of an answer, where it lies where its nonce leads.
	function pora(PoraAnswer calldata answer, bytes32 subtaskDigest) private view returns (bytes32) {
		MineRange calldata range = answer.range;
		bytes32 rangeDigest = keccak256(
			abi.encode(range.startPosition, range.mineLength, range.shardId, range.shardMask)
		);
		bytes32[2] memory seed = blake2b(abi.encode(answer.minerId, answer.nonce, subtaskDigest, rangeDigest));
		bytes32[512] memory pad;
		(bytes32 low, bytes32 high) = (seed[0], seed[1]);
		for (uint256 cell = 0; cell < 256; cell++) {
			low = keccak256(abi.encode(low, high));
			high = keccak256(abi.encode(low, high));
			(pad[2 * cell], pad[2 * cell + 1]) = (low, high);
		}
		uint256 load = loadOf(range, keccak256(abi.encode(low, high)));
		require(
			answer.recallPosition == load + answer.sealOffset * SECTORS_PER_SEAL,
			"Incorrect recall position"
		);
		bytes32[128] memory mixed;
		uint256 quarter = (answer.sealOffset % 4) * 128;
		for (uint256 word = 0; word < 128; word++) mixed[word] = answer.sealedData[word] ^ pad[quarter + word];
		return blake2b(abi.encodePacked(answer.sealOffset, seed[0], seed[1], bytes32(0), mixed))[0];
	}

	function loadOf(MineRange calldata range, bytes32 recall) private pure returns (uint256) {
		uint64 origin = uint64(uint256(recall) % (range.mineLength / SECTORS_PER_LOAD));
		uint256 within = uint256((origin & range.shardMask) | range.shardId) * SECTORS_PER_LOAD;
		require(within <= range.mineLength, "Recall position out of bound");
		return range.startPosition + within;
	}

	/// BLAKE2b with 64 bytes of output, of whole blocks of 128 bytes.
	function blake2b(bytes memory message) private view returns (bytes32[2] memory state) {
		state[0] = 0x48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5;
		state[1] = 0xd182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b;
		for (uint256 at = 0; at < message.length; at += 128) {
			bytes32[4] memory part;
			assembly {
				for { let word := 0 } lt(word, 128) { word := add(word, 32) } {
					mstore(add(part, word), mload(add(add(message, 32), add(at, word))))
				}
			}
			uint256 count = at + 128;
			bytes2 counter = bytes2(uint16((count & 0xff) << 8 | count >> 8));
			bytes1 isLast = count == message.length ? bytes1(0x01) : bytes1(0x00);
			bytes memory input = abi.encodePacked(
				uint32(12), state[0], state[1], part, counter, bytes14(0), isLast
			);
			(bool isDone, bytes memory output) = BLAKE2F.staticcall(input);
			require(isDone && output.length == 64, "no BLAKE2F");
			(state[0], state[1]) = abi.decode(output, (bytes32, bytes32));
		}
	}

	function min(uint256 left, uint256 right) private pure returns (uint256) {
		return left < right ? left : right;
	}
}
