import { documentIn } from "./address.js";
import { panelFor } from "./panel.js";
import { showStart } from "./start.js";
import { Workspace } from "./workspace.js";

const root = document.getElementById("app");
if (root === null) throw new Error("the page has no place for the app");

const name = documentIn(location);
if (name === null) {
  showStart(root);
} else if (name === undefined) {
  const refusal = { code: "invalid-identifier", message: "", definite: true, retryable: false };
  root.append(panelFor({ refusal, unsavedText: null }));
} else {
  new Workspace(root, name);
}
