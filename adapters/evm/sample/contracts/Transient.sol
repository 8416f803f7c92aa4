// A vault whose reentrancy lock and per-transaction counter live in transient
// storage (EIP-1153).
pragma solidity 0.8.37;

contract TransientVault {
    uint256 constant LOCK = 0;
    uint256 constant COUNTER = 1;

    mapping(address => uint256) public deposits;
    uint256 public blockedCalls;

    modifier locked() {
        assembly {
            if tload(LOCK) { revert(0, 0) }
            tstore(LOCK, 1)
        }
        _;
        assembly {
            tstore(LOCK, 0)
        }
    }

    function deposit() public payable locked {
        count();
        deposits[msg.sender] += msg.value;
    }

    /// Pays half back and tries to enter again while the lock is held.
    function withdrawHalf() external locked {
        count();
        uint256 amount = deposits[msg.sender] / 2;
        deposits[msg.sender] -= amount;
        try this.deposit() {} catch {
            blockedCalls += 1;
        }
        (bool paid,) = msg.sender.call{value: amount}("");
        require(paid);
    }

    /// Several locked calls in one transaction: the counter keeps its value
    /// from call to call and is gone with the transaction.
    function depositOften(uint256 times) external payable {
        for (uint256 i = 0; i < times; i++) {
            this.deposit{value: msg.value / times}();
        }
        uint256 calls;
        assembly {
            calls := tload(COUNTER)
        }
        require(calls == times);
    }

    function count() private {
        assembly {
            tstore(COUNTER, add(tload(COUNTER), 1))
        }
    }
}
