// A charge point on ocpp-rpc, which has schemas of its own and is strict about them. Driven by lines of JSON:
//   in:  {"id": 1, "do": "tap", "plug": 1, "token": "TAG"}
//   out: {"id": 1, "result": ...} or {"id": 1, "error": {"code": ..., "why": ...}}
//        {"asked": "RemoteStartTransaction", "payload": {...}}    what the hub asked, which it obeys
//        {"event": "close" | "invalid", ...}
// Arguments: the folder with the packages; {"endpoint", "identity", "password", "protocol"} as JSON. The step `answer` says what it answers
// to an action from then on instead: a payload, or {"code": ...} for a CALLERROR, or null for silence.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { randomUUID } from "node:crypto";

const require = createRequire(`${process.argv[2]}/`);
const { RPCClient, createRPCError, createValidator } = require("ocpp-rpc");
const { endpoint, identity, password, protocol } = JSON.parse(process.argv[3]);
const answers = {};
const isOld = protocol === "ocpp1.6";
const plugs = { 1: { wh: 1000 }, 2: { wh: 1000 } };

// its schemas of 2.1 have names that it does not look for itself
const named = (schema) => ({ ...schema, $id: schema.$id.replace(/Request$/, ".req").replace(/Response$/, ".conf") });
const strictModeValidators = [createValidator("ocpp2.1", require("ocpp-rpc/lib/schemas/ocpp2_1.json").map(named))];

const client = new RPCClient({
  endpoint, identity, password, protocols: [protocol], reconnect: false, callTimeoutMs: 20000,
  strictMode: true, strictModeValidators,
});
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const now = () => new Date().toISOString();

client.on("close", ({ code, reason }) => say({ event: "close", code, reason: String(reason) }));
client.on("strictValidationFailure", ({ error }) => say({ event: "invalid", why: String(error.message ?? error) }));

// --- what it says ---

const boot = () => client.call("BootNotification", isOld
  ? { chargePointVendor: "Node", chargePointModel: "Script" }
  : { reason: "PowerUp", chargingStation: { vendorName: "Node", model: "Script" } });

const status = (plug, word) => client.call("StatusNotification", isOld
  ? { connectorId: plug, errorCode: "NoError", status: word, timestamp: now() }
  : { timestamp: now(), connectorStatus: word === "Charging" ? "Occupied" : word, evseId: plug, connectorId: 1 });

const authorise = async (token) => {
  const answer = await client.call("Authorize", isOld ? { idTag: token } : { idToken: { idToken: token, type: "ISO14443" } });
  return (answer.idTagInfo ?? answer.idTokenInfo).status;
};

const reading = (plug) => isOld
  ? { timestamp: now(), sampledValue: [{ value: String(plugs[plug].wh), measurand: "Energy.Active.Import.Register", unit: "Wh" }] }
  : { timestamp: now(), sampledValue: [{ value: plugs[plug].wh, unitOfMeasure: { unit: "Wh" } }] };

const event = (kind, plug, trigger, more = {}) => client.call("TransactionEvent", {
  eventType: kind, timestamp: now(), triggerReason: trigger, seqNo: plugs[plug].seq++, evse: { id: plug, connectorId: 1 },
  meterValue: [reading(plug)], ...more, transactionInfo: { transactionId: plugs[plug].tx, ...more.transactionInfo },
});

const begin = async (plug, token, remoteStartId) => {
  await status(plug, "Charging");
  if (isOld) {
    const answer = await client.call("StartTransaction",
      { connectorId: plug, idTag: token, meterStart: plugs[plug].wh, timestamp: now() });
    plugs[plug].tx = answer.transactionId;
    return { transaction: answer.transactionId, status: answer.idTagInfo.status };
  }
  Object.assign(plugs[plug], { tx: randomUUID(), seq: 0 });
  const answer = await event("Started", plug, remoteStartId === undefined ? "Authorized" : "RemoteStart", {
    idToken: { idToken: token, type: remoteStartId === undefined ? "ISO14443" : "Central" },
    transactionInfo: { chargingState: "Charging", ...(remoteStartId === undefined ? {} : { remoteStartId }) },
  });
  return { transaction: plugs[plug].tx, status: answer.idTokenInfo?.status };
};

const meter = async (plug, wh) => {
  plugs[plug].wh += wh;
  return isOld
    ? client.call("MeterValues", { connectorId: plug, transactionId: plugs[plug].tx, meterValue: [reading(plug)] })
    : event("Updated", plug, "MeterValuePeriodic");
};

const end = async (plug, reason = "Local") => {
  const tx = plugs[plug].tx;
  const told = isOld
    ? client.call("StopTransaction", { transactionId: tx, meterStop: plugs[plug].wh, timestamp: now(), reason })
    : event("Ended", plug, reason === "Remote" ? "RemoteStop" : "EVDeparted", { transactionInfo: { stoppedReason: reason } });
  plugs[plug].tx = undefined;  // it is over when that is said, not when that is answered
  await told;
  await status(plug, "Available");
  return { transaction: tx, wh: plugs[plug].wh };
};

const steps = {
  connect: async () => { await client.connect(); return client.protocol; },
  boot: async () => (await boot()).status,
  status: ({ plug, word }) => status(plug, word),
  authorise: ({ token }) => authorise(token),
  tap: async ({ plug, token }) => {
    const word = await authorise(token);
    return word === "Accepted" ? begin(plug, token) : { status: word };
  },
  meter: ({ plug, wh }) => meter(plug, wh),
  end: ({ plug }) => end(plug),
  call: ({ action, payload }) => client.call(action, payload),
  answer: ({ action, payload }) => { answers[action] = payload; },
  close: () => client.close(),
};

// --- what it is asked ---

const later = (step) => setTimeout(() => step().catch((error) => say({ event: "failed", why: String(error) })), 20);
const plugOf = (tx) => Number(Object.keys(plugs).find((plug) => plugs[plug].tx === tx));

const orders = {
  RemoteStartTransaction: ({ connectorId = 1, idTag }) => { later(() => begin(connectorId, idTag)); return { status: "Accepted" }; },
  RequestStartTransaction: ({ evseId = 1, idToken, remoteStartId }) => {
    later(() => begin(evseId, idToken.idToken, remoteStartId));
    return { status: "Accepted" };
  },
  RemoteStopTransaction: ({ transactionId }) => stop(transactionId),
  RequestStopTransaction: ({ transactionId }) => stop(transactionId),
  UnlockConnector: () => ({ status: "Unlocked" }),
  GetConfiguration: () => ({ configurationKey: [{ key: "NumberOfConnectors", readonly: true, value: "2" }] }),
  GetBaseReport: ({ requestId }) => {
    later(() => client.call("NotifyReport", { requestId, generatedAt: now(), seqNo: 0, reportData: [{
      component: { name: "SmartChargingCtrlr" }, variable: { name: "Available" }, variableAttribute: [{ value: "true" }] }] }));
    return { status: "Accepted" };
  },
  GetCompositeSchedule: ({ connectorId, evseId, duration }) => {
    const periods = { chargingRateUnit: "W", duration, chargingSchedulePeriod: [{ startPeriod: 0, limit: 7400.5 }] };
    return isOld
      ? { status: "Accepted", connectorId, scheduleStart: now(), chargingSchedule: periods }
      : { status: "Accepted", schedule: { evseId, scheduleStart: now(), ...periods } };
  },
  SetVariables: ({ setVariableData }) => ({ setVariableResult: setVariableData.map(({ component, variable }) =>
    ({ attributeStatus: "Accepted", component, variable })) }),
};

function stop(transaction) {
  const plug = plugOf(transaction);
  if (!plug) return { status: "Rejected" };
  later(() => end(plug, "Remote"));
  return { status: "Accepted" };
}

client.handle(({ method, params }) => {
  say({ asked: method, payload: params });
  if (method in answers) {
    if (answers[method] === null) return new Promise(() => {});
    if (answers[method].code) throw createRPCError(answers[method].code, "as told");
    return answers[method];
  }
  return orders[method]?.(params) ?? { status: "Accepted" };
});

for await (const line of createInterface({ input: process.stdin })) {
  const { id, do: what, ...about } = JSON.parse(line);
  Promise.resolve()
    .then(() => steps[what](about))
    .then((result) => say({ id, result: result ?? null }))
    .catch((error) => say({ id, error: { code: error.rpcErrorCode ?? error.code ?? error.name, why: error.message } }));
}
process.exit(0);
