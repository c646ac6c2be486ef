// A client in JavaScript that makes its functions from the node's own description.
//
//   node rpc.mjs http://127.0.0.1:8820 DATA_DIR/.cookie chain_header '{"block": 0}'
//
// or from a program:
//
//   import { open } from "./rpc.mjs";
//   const node = await open("http://127.0.0.1:8820", cookie);
//   const header = await node.chain_header({ block: 0 });

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** An error of the node: `code` is its number, `data.rule` the rule that is broken. */
export class RpcError extends Error {
  constructor({ code, message, data }) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** Returns an object with a function for each method of the node. */
export async function open(url, credentials) {
  const authorization = "Basic " + Buffer.from(credentials).toString("base64");
  const described = await fetch(url + "/openrpc.json");
  const document = await described.json();
  let last = 0;
  const call = async (method, params) => {
    const response = await fetch(url + document.servers[0].url, {
      method: "POST",
      headers: { "content-type": "application/json", authorization },
      body: JSON.stringify({ jsonrpc: "2.0", id: ++last, method, params }),
    });
    if (response.status !== 200) {
      throw new Error(`${response.status}: ${(await response.text()).trim()}`);
    }
    const answer = await response.json();
    if (answer.error) throw new RpcError(answer.error);
    return answer.result;
  };
  const node = {};
  for (const { name, params } of document.methods) {
    node[name] = async (given = {}) => {
      for (const param of params) {
        if (param.required && !(param.name in given)) {
          throw new TypeError(`${name} needs ${param.name}: ${param.description}`);
        }
      }
      return call(name, given);
    };
  }
  return node;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [url, cookie, method, params = "{}"] = process.argv.slice(2);
  try {
    const node = await open(url, readFileSync(cookie, "utf8").trim());
    console.log(JSON.stringify(await node[method](JSON.parse(params))));
  } catch (error) {
    console.error(error.code ?? "", error.message);
    process.exitCode = 1;
  }
}
