// Starts Swagger UI on the document of this server; nothing is asked of any other.
"use strict";

// Swagger UI fills a form in with samples of every field, which contradict each other: here they start empty, and an
// empty one is not sent. It also takes a form's fields along when another kind of body is chosen: here that starts anew.
const plainForms = (system) => ({
  wrapComponents: {
    JsonSchemaForm: (Form) => (props) =>
      system.React.createElement(Form, "dispatchInitialValue" in props ? { ...props, dispatchInitialValue: false } : props),
    ParameterIncludeEmpty: () => () => null,
  },
  statePlugins: {
    oas3: {
      wrapActions: {
        setRequestContentType: (choose, { oas3Actions }) => (choice) => {
          oas3Actions.setRequestBodyValue({ value: undefined, pathMethod: choice.pathMethod });
          return choose(choice);
        },
      },
    },
  },
});

const docs = document.getElementById("docs");
SwaggerUIBundle({
  url: docs.dataset.document,
  domNode: docs,
  plugins: [plainForms],
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
