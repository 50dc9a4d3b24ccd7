// Starts Swagger UI on the document of this server; nothing is asked of any other.
"use strict";

// Swagger UI fills a form in with samples of every field, which contradict each other: here they start empty, and an
// empty one is not sent.
const emptyForms = (system) => ({
  wrapComponents: {
    JsonSchemaForm: (Form) => (props) =>
      system.React.createElement(Form, "dispatchInitialValue" in props ? { ...props, dispatchInitialValue: false } : props),
    ParameterIncludeEmpty: () => () => null,
  },
});

const docs = document.getElementById("docs");
SwaggerUIBundle({
  url: docs.dataset.document,
  domNode: docs,
  plugins: [emptyForms],
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
