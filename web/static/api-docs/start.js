SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#operations",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
  syntaxHighlight: false,
  tryItOutEnabled: false,
  validatorUrl: null,
});
