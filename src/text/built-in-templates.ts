// Chat templates for models that bring none. They are used only when a caller names one.

export type BuiltInTemplate = "gemma" | "chatml" | "plain";

/** Templates in Jinja, and the tokens that a vocabulary must have for them. */
export const builtInTemplates: Readonly<Record<BuiltInTemplate, { template: string; tokens: readonly string[] }>> = {
  // Gemma 3: the system text opens the first user turn, contents are trimmed, the assistant is called "model".
  gemma: {
    tokens: ["<start_of_turn>", "<end_of_turn>"],
    template: `
{{- bos_token -}}
{%- set prefix = "" -%}
{%- set turns = messages -%}
{%- if messages[0].role == "system" -%}
  {%- set prefix = messages[0].content + "\\n\\n" -%}
  {%- set turns = messages[1:] -%}
{%- endif -%}
{%- for message in turns -%}
  {{- "<start_of_turn>" + ("model" if message.role == "assistant" else message.role) + "\\n" -}}
  {{- prefix if loop.first else "" -}}
  {{- message.content | trim -}}
  {{- "<end_of_turn>\\n" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- "<start_of_turn>model\\n" -}}{%- endif -%}`,
  },
  // SmolLM2, Qwen: every message between <|im_start|>role and <|im_end|>, without a system text of its own.
  chatml: {
    tokens: ["<|im_start|>", "<|im_end|>"],
    template: `
{%- for message in messages -%}
  {{- "<|im_start|>" + message.role + "\\n" + message.content + "<|im_end|>\\n" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- "<|im_start|>assistant\\n" -}}{%- endif -%}`,
  },
  // Base models: the contents alone, as paragraphs.
  plain: {
    tokens: [],
    template: `{%- for message in messages -%}{{- message.content | trim + "\\n\\n" -}}{%- endfor -%}`,
  },
};
