export { BROWSER, Connection, type ConnectionEvents, type Environment, type Socket, type Status } from "./connection.js";
export { DocumentSession, type DocumentState } from "./document.js";
export type { Effect } from "./effects.js";
export * from "./ot/index.js";
export type { Introduction } from "./own_presence.js";
export type { Caret, Participant, Refusal } from "./protocol/messages.js";
export { type Credentials, Session, type SessionState } from "./session.js";
export type { TokenSource } from "./tokens.js";
export { type Group, TypingGroups, UndoHistory } from "./undo.js";
