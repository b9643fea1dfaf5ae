import type { FormHTMLAttributes, JSX, LooseInputHTMLAttributes } from 'preact'
import { useId } from 'preact/hooks'
import { fromField, toField } from '../format.ts'

/** A form that calls back, instead of the browser's own way to send it. */
export function Form({ onSubmit, ...attributes }: { onSubmit: () => void } & Omit<FormHTMLAttributes, 'onSubmit'>) {
  return (
    <form
      {...attributes}
      onSubmit={(event) => {
        event.preventDefault()
        onSubmit()
      }}
    />
  )
}

interface Labelled {
  label: string
  hint?: string | undefined
}

/** A field with its label, and a hint where it needs one. */
function Field({
  label,
  hint,
  children,
}: Labelled & { children: (attributes: { id: string; 'aria-describedby'?: string }) => JSX.Element }) {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, ...(hint !== undefined && { 'aria-describedby': `${id}-hint` }) })}
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  )
}

type Limits = Pick<
  LooseInputHTMLAttributes,
  'autocomplete' | 'max' | 'maxLength' | 'min' | 'placeholder' | 'required' | 'spellcheck' | 'step'
>

interface TextFieldProps extends Labelled, Limits {
  type?: 'text' | 'url' | 'password' | 'number' | 'search' | 'datetime-local'
  value: string
  onInput: (value: string) => void
}

/** A line of text, of the type that is given. */
export function TextField({ label, hint, type = 'text', onInput, ...input }: TextFieldProps) {
  // Preact's types know each type of input with its roles alone, and none that may be one of several.
  const oneOf = type as 'text'
  return (
    <Field label={label} hint={hint}>
      {(attributes) => (
        <input type={oneOf} {...attributes} {...input} onInput={(event) => onInput(event.currentTarget.value)} />
      )}
    </Field>
  )
}

/** A moment in the time zone of the browser. */
export function MomentField({
  value,
  onInput,
  ...labelled
}: Labelled & { value: Date | null; onInput: (value: Date | null) => void }) {
  return (
    <TextField
      {...labelled}
      type="datetime-local"
      value={toField(value)}
      onInput={(text) => onInput(fromField(text))}
    />
  )
}

/** One of several, of which only that one is seen. */
export function SelectField<Value extends string>({
  value,
  options,
  onChoose,
  ...labelled
}: Labelled & {
  value: Value
  options: readonly (readonly [Value, string])[]
  onChoose: (value: Value) => void
}) {
  return (
    <Field {...labelled}>
      {(attributes) => (
        <select {...attributes} value={value} onChange={(event) => onChoose(event.currentTarget.value as Value)}>
          {options.map(([option, text]) => (
            <option key={option} value={option}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

/** One of several, all of them seen. */
export function Choice<Value extends string>({
  label,
  value,
  options,
  onChoose,
}: {
  label: string
  value: Value
  options: readonly (readonly [Value, string])[]
  onChoose: (value: Value) => void
}) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {options.map(([option, text]) => (
        <button type="button" key={option} aria-pressed={option === value} onClick={() => onChoose(option)}>
          {text}
        </button>
      ))}
    </div>
  )
}
