// A contract whose calls fail, each in another way.
pragma solidity 0.8.37;

contract Faults {
    error Refused(uint256 attempt);

    uint256 public attempts;

    /// Reverts after a storage write, which has to be undone.
    function refuse() external payable {
        attempts += 1;
        revert Refused(attempts);
    }

    /// Writes storage until the gas is used up.
    function exhaust() external {
        for (uint256 i = 0;; i++) {
            assembly {
                sstore(add(i, 1000), gas())
            }
        }
    }

    function invalid() external pure {
        assembly {
            invalid()
        }
    }

    /// Succeeds although an inner call reverts.
    function contain() external {
        attempts += 1;
        try this.refuse() {} catch {
            attempts += 1;
        }
    }
}
