/** The process of `farAway`: tells its port, ends when its parent goes. Usage: delaying-proxy.ts <port> <ms each way> */

import { startFaultProxy } from '../../test/servers/fault-proxy.ts';

const [port = 0, latencyMs = 0] = process.argv.slice(2).map(Number);
const proxy = await startFaultProxy({ port });
proxy.set({ toServer: { latencyMs }, toClient: { latencyMs } });
process.on('disconnect', () => process.exit());
process.send?.(proxy.port);
