// Thin front ends over third-party contracts: a router for Uniswap V2 pairs
// and a disperser that pays one token out to many receivers.
pragma solidity 0.8.37;

interface IToken {
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

interface IPair {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function getReserves() external view returns (uint112, uint112, uint32);
    function mint(address to) external returns (uint256);
    function swap(uint256 out0, uint256 out1, address to, bytes calldata data) external;
}

contract Router {
    error Slippage(uint256 amountOut, uint256 minOut);

    function addLiquidity(IPair pair, uint256 amount0, uint256 amount1) external {
        IToken(pair.token0()).transferFrom(msg.sender, address(pair), amount0);
        IToken(pair.token1()).transferFrom(msg.sender, address(pair), amount1);
        pair.mint(msg.sender);
    }

    function swap(IPair pair, address tokenIn, uint256 amountIn, uint256 minOut) external {
        IToken(tokenIn).transferFrom(msg.sender, address(pair), amountIn);
        checkOut(trade(pair, tokenIn, amountIn, msg.sender), minOut);
    }

    /// Two hops: the first pair pays its output straight into the second one.
    function swapVia(IPair first, IPair second, address tokenIn, uint256 amountIn, uint256 minOut) external {
        IToken(tokenIn).transferFrom(msg.sender, address(first), amountIn);
        uint256 middle = trade(first, tokenIn, amountIn, address(second));
        address tokenMiddle = first.token0() == tokenIn ? first.token1() : first.token0();
        checkOut(trade(second, tokenMiddle, middle, msg.sender), minOut);
    }

    function checkOut(uint256 amountOut, uint256 minOut) private pure {
        if (amountOut < minOut) revert Slippage(amountOut, minOut);
    }

    function trade(IPair pair, address tokenIn, uint256 amountIn, address to) private returns (uint256 amountOut) {
        (uint256 reserve0, uint256 reserve1,) = pair.getReserves();
        bool zeroForOne = pair.token0() == tokenIn;
        (uint256 reserveIn, uint256 reserveOut) = zeroForOne ? (reserve0, reserve1) : (reserve1, reserve0);
        uint256 paid = amountIn * 997; // the pair keeps a fee of 0.3 %
        amountOut = (paid * reserveOut) / (reserveIn * 1000 + paid);
        (uint256 out0, uint256 out1) = zeroForOne ? (uint256(0), amountOut) : (amountOut, uint256(0));
        pair.swap(out0, out1, to, "");
    }
}

contract Disperser {
    function disperse(IToken token, address[] calldata receivers, uint256 amount) external {
        for (uint256 i = 0; i < receivers.length; i++) {
            token.transferFrom(msg.sender, receivers[i], amount);
        }
    }
}
