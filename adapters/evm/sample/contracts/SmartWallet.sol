// Code for externally owned accounts to delegate to with EIP-7702.
pragma solidity 0.8.37;

contract SmartWallet {
    struct Call {
        address target;
        uint256 value;
        bytes data;
    }

    event Received(address from, uint256 value);

    mapping(address => uint256) public notes;
    uint256 public executed;

    receive() external payable {
        emit Received(msg.sender, msg.value);
    }

    /// Runs a batch of calls; only the account itself may ask for it.
    function execute(Call[] calldata calls) external payable {
        require(msg.sender == address(this), "not the owner");
        for (uint256 i = 0; i < calls.length; i++) {
            (bool ok,) = calls[i].target.call{value: calls[i].value}(calls[i].data);
            require(ok, "call failed");
        }
        executed += 1;
    }

    function note(uint256 value) external {
        notes[msg.sender] += value;
    }
}
