// A contract that reads accounts and the block environment and keeps a digest
// of all it saw, so that any wrong value shows up in the state root.
pragma solidity 0.8.37;

contract Prober {
    event Probed(bytes32 digest);

    /// The EIP-4788 contract that keeps the roots of recent beacon blocks.
    address constant BEACON_ROOTS = 0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02;
    /// The EIP-2935 contract that keeps the hashes of recent blocks.
    address constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    bytes32 public digest;
    mapping(address => uint256) public lastBalance;

    receive() external payable {}

    function probeAccounts(address[] calldata accounts) external payable {
        bytes32 seen = digest;
        for (uint256 i = 0; i < accounts.length; i++) {
            address account = accounts[i];
            seen = keccak256(abi.encode(seen, account.balance, account.codehash, account.code.length));
        }
        lastBalance[msg.sender] = msg.sender.balance;
        store(keccak256(abi.encode(seen, address(this).balance, block.coinbase.balance)));
    }

    function probeBlock(uint256 depth) external {
        bytes32 seen = keccak256(
            abi.encode(
                block.number, block.timestamp, block.prevrandao, block.basefee,
                block.blobbasefee, block.gaslimit, block.chainid, block.coinbase
            )
        );
        (, bytes memory beaconRoot) = BEACON_ROOTS.staticcall(abi.encode(block.timestamp));
        seen = keccak256(abi.encode(seen, beaconRoot, blobhash(0)));
        for (uint256 back = 1; back <= depth && back <= block.number; back++) {
            uint256 number = block.number - back;
            (, bytes memory history) = HISTORY.staticcall(abi.encode(number));
            seen = keccak256(abi.encode(seen, blockhash(number), history));
        }
        store(keccak256(abi.encode(seen, tx.origin, tx.gasprice, gasleft())));
    }

    function store(bytes32 value) private {
        digest = value;
        emit Probed(value);
    }
}
