// Shows openapi.json. All text goes in as text: nothing of it is ever taken for HTML.

const METHODS = ["get", "head", "put", "post", "patch", "delete"];

function element(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

function table(heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", {}, text)));
  return element("table", {}, head, ...rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell)))));
}

function schemaOf(schema) {
  if (schema === undefined) return "";
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split("/").at(-1);
    return element("a", { href: `#schema-${name}` }, name);
  }
  if (schema.allOf !== undefined) return schemaOf(schema.allOf[0]);
  const some = schema.oneOf ?? schema.anyOf;
  if (some !== undefined) {
    const kinds = element("span");
    some.forEach((kind, place) => kinds.append(place === 0 ? "" : " or ", schemaOf(kind)));
    return kinds;
  }
  return element("code", {}, schema.enum === undefined ? (schema.type ?? "any") : schema.enum.join(" | "));
}

function contentOf(content = {}) {
  const rows = Object.entries(content).map(([media, { schema }]) => [element("code", {}, media), schemaOf(schema)]);
  return rows.length === 0 ? "" : table(["as", "what"], rows);
}

function parametersOf(parameters) {
  const rows = parameters.map((parameter) => [
    element("code", {}, parameter.name),
    parameter.required ? `${parameter.in}, needed` : parameter.in,
    schemaOf(parameter.schema),
    parameter.description ?? parameter.schema.description ?? "",
  ]);
  return rows.length === 0 ? [] : [element("h3", {}, "Parameters"), table(["name", "in", "type", ""], rows)];
}

function operation(method, path, described) {
  const title = element("summary", {}, element("span", { class: "method" }, method.toUpperCase()), element("code", {}, path));
  title.append(element("div", { class: "says" }, described.summary ?? ""));
  const inside = element("div", {}, element("p", {}, described.description ?? ""), ...parametersOf(described.parameters ?? []));
  if (described.requestBody !== undefined) {
    inside.append(element("h3", {}, "Body"), contentOf(described.requestBody.content));
  }
  const answers = Object.entries(described.responses).map(([status, answer]) => [
    element("code", {}, status),
    answer.description,
    contentOf(answer.content),
  ]);
  inside.append(element("h3", {}, "Answers"), table(["status", "when", ""], answers));
  return element("details", { id: described.operationId }, title, inside);
}

function problems(schema) {
  const rows = schema.properties.code.enum.map((code) => [element("code", { id: `problem-${code}` }, code)]);
  return table(["code"], rows);
}

function show(described) {
  const sections = new Map();
  const add = (tag, shown) => sections.set(tag, [...(sections.get(tag) ?? []), shown]);
  for (const [path, methods] of Object.entries(described.paths)) {
    for (const method of METHODS) {
      if (methods[method] !== undefined) add(methods[method].tags[0], operation(method, path, methods[method]));
    }
  }
  for (const [name, { post }] of Object.entries(described.webhooks ?? {})) add("webhooks", operation("sent", name, post));
  for (const [name, schema] of Object.entries(described.components.schemas)) {
    const shown = element("pre", {}, JSON.stringify(schema, null, 2));
    add("schemas", element("details", { id: `schema-${name}` }, element("summary", {}, name), element("div", {}, shown)));
  }
  add("problems", problems(described.components.schemas.Problem));
  const contents = document.getElementById("contents");
  const main = document.getElementById("described");
  main.replaceChildren();
  for (const [tag, shown] of sections) {
    contents.append(element("a", { href: `#${tag}` }, tag));
    main.append(element("section", { id: tag }, element("h2", {}, tag), ...shown));
  }
}

function goToTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target === null) return;
  if (target instanceof HTMLDetailsElement) target.open = true;
  target.scrollIntoView();
}

const answer = await fetch("../openapi.json");
show(await answer.json());
addEventListener("hashchange", goToTarget);
goToTarget();
