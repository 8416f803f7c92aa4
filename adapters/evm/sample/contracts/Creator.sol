// Contracts that create and destroy other contracts: CREATE, CREATE2,
// SELFDESTRUCT in the creating transaction and in a later one, and large code.
pragma solidity 0.8.37;

contract Child {
    uint256 public pokes = 1;

    constructor() payable {}

    receive() external payable {
        pokes += 1;
    }

    function destroy(address payable beneficiary) external {
        selfdestruct(beneficiary);
    }
}

contract Creator {
    event Spawned(address child);

    function spawn(uint256 count) external payable {
        uint256 share = msg.value / count;
        for (uint256 i = 0; i < count; i++) {
            emit Spawned(address(new Child{value: share}()));
        }
    }

    function spawn2(bytes32 salt) external payable {
        emit Spawned(address(new Child{value: msg.value, salt: salt}()));
    }

    /// Creates a child and destroys it at once, so that its account is gone
    /// after the transaction and the same salt can be used again. Without a
    /// beneficiary the child names itself, which burns its ether.
    function flash(bytes32 salt, address payable beneficiary) external payable {
        Child child = new Child{value: msg.value, salt: salt}();
        emit Spawned(address(child));
        payable(child).call{value: 0}("");
        child.destroy(beneficiary == address(0) ? payable(child) : beneficiary);
    }
}

/// Deploys `size` pseudo-random code bytes. The padding only makes the init
/// code large.
contract BulkCode {
    constructor(uint256 seed, uint256 size, bytes memory) {
        assembly {
            let start := mload(0x40)
            for { let at := 0 } lt(at, size) { at := add(at, 32) } {
                mstore(0, add(seed, at))
                mstore(add(start, at), keccak256(0, 32))
            }
            mstore8(start, 0) // STOP: calls to the contract succeed and do nothing
            return(start, size)
        }
    }
}
