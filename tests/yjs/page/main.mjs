/** A page with y-codemirror.next and y-websocket as their READMEs show them; who and where stand in the address. */

import { defaultKeymap } from "@codemirror/commands";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { yCollab } from "y-codemirror.next";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";

const { server, document: name, user, color } = Object.fromEntries(new URLSearchParams(location.search));
const doc = new Y.Doc();
const provider = new WebsocketProvider(server, name, doc);
provider.awareness.setLocalStateField("user", { name: user, color, colorLight: `${color}33` });
const text = doc.getText("content");
const extensions = [keymap.of(defaultKeymap), yCollab(text, provider.awareness)];
const state = EditorState.create({ doc: text.toString(), extensions });
new EditorView({ state, parent: document.body });
