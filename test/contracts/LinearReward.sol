// SPDX-License-Identifier: Apache-2.0
// Rewards by the rules of the specification (pora-and-contracts §4.7): the fees of a pricing chunk are released over time once it is full, and half of what
// is open goes to each answer; the base reward is always approved, as in the decaying variant, so that a small flow pays too. For tests alone.
pragma solidity ^0.8.20;

contract LinearReward {
	struct Pool {
		uint128 lockedReward;
		uint128 claimableReward;
		uint128 distributedReward;
		uint40 startTime;
		uint40 lastUpdate;
	}

	uint256 constant CHUNK_SECTORS = 1 << 25;

	address public market;
	address public mine;
	uint256 public releaseSeconds;
	uint256 public baseReward;
	uint256 public totalBaseReward;
	mapping(uint256 => Pool) public rewards;
	mapping(address => uint256) public payments;

	event DistributeReward(uint256 indexed pricingIndex, address indexed beneficiary, bytes32 indexed minerId, uint256 amount);

	function initialize(address market_, address mine_, uint256 releaseSeconds_, uint256 baseReward_) external payable {
		require(mine == address(0), "initialized before");
		(market, mine, releaseSeconds, baseReward) = (market_, mine_, releaseSeconds_, baseReward_);
		totalBaseReward = msg.value;
	}

	function fillReward(uint256 beforeLength, uint256 chargedSectors) external payable {
		require(market == address(0) || msg.sender == market, "Sender does not have permission");
		uint256 per = (msg.value * CHUNK_SECTORS) / chargedSectors;
		uint256 end = beforeLength + chargedSectors;
		uint256 first = beforeLength / CHUNK_SECTORS;
		uint256 last = (end - 1) / CHUNK_SECTORS;
		bool isFull = end == (last + 1) * CHUNK_SECTORS;
		if (first == last) return add(first, msg.value, isFull);
		add(first, (per * (CHUNK_SECTORS - (beforeLength % CHUNK_SECTORS))) / CHUNK_SECTORS, true);
		for (uint256 index = first + 1; index < last; index++) add(index, per, true);
		add(last, (per * (end - last * CHUNK_SECTORS)) / CHUNK_SECTORS, isFull);
	}

	function claimMineReward(uint256 pricingIndex, address beneficiary, bytes32 minerId) external {
		require(msg.sender == mine, "Sender does not have permission");
		Pool storage pool = rewards[pricingIndex];
		if (pool.startTime != 0) {
			uint256 total = uint256(pool.lockedReward) + pool.claimableReward + pool.distributedReward;
			uint256 due = (total * (block.timestamp - pool.startTime)) / releaseSeconds;
			if (due > total) due = total;
			uint256 known = uint256(pool.claimableReward) + pool.distributedReward;
			uint128 released = due > known ? uint128(due - known) : 0;
			pool.lockedReward -= released;
			pool.claimableReward += released;
			pool.lastUpdate = uint40(block.timestamp);
		}
		uint128 part = pool.claimableReward / 2;
		pool.claimableReward -= part;
		pool.distributedReward += part;
		uint256 base = baseReward < totalBaseReward ? baseReward : totalBaseReward;
		totalBaseReward -= base;
		if (part + base == 0) return;
		payments[beneficiary] += part + base;
		emit DistributeReward(pricingIndex, beneficiary, minerId, part + base);
	}

	function withdrawPayments(address payable payee) external {
		uint256 amount = payments[payee];
		payments[payee] = 0;
		payee.transfer(amount);
	}

	function add(uint256 index, uint256 amount, bool isFull) private {
		Pool storage pool = rewards[index];
		require(pool.startTime == 0, "the chunk is full");
		pool.lockedReward += uint128(amount);
		if (isFull) pool.startTime = uint40(block.timestamp);
	}
}
