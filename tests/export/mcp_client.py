"""A conversation with `ttmem mcp` by the client of the protocol's Python SDK: mcp_client.py TTMEM RECORDING. Prints its answers as JSON."""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters, stdio_client


async def main(ttmem, recording):
    parameters = StdioServerParameters(command=ttmem, args=["mcp"])
    async with Client(stdio_client(parameters)) as client:
        tools = await client.list_tools()
        found = {"tools": [tool.name for tool in tools.tools], "protocol": client.protocol_version}
        for name in found["tools"]:
            answer = await client.call_tool(name, {"source": recording, "limit": 5})
            found[name] = {"is_error": answer.is_error, "text": answer.content[0].text, "json": answer.structured_content}
        refused = await client.call_tool("live_memory", {"source": "/nonexistent"})
        found["refused"] = {"is_error": refused.is_error, "text": refused.content[0].text}
    print(json.dumps(found))


asyncio.run(main(*sys.argv[1:]))
