// Secrets Manager, 2019-09-23: reading a secret's value. SSM_Current is the version that a secret has when none is named at
// its creation (comments of the API's models).
import { ApiError } from './api-error.ts'
import { action } from './region.ts'

interface GetSecretValueRequest {
  SecretName: string
  VersionId: string
}

export const getSecretValue = action<GetSecretValueRequest>(
  { SecretName: 'string', VersionId: 'string' },
  ({ secrets }, { SecretName, VersionId }) => {
    const SecretString = secrets.get(VersionId === 'SSM_Current' ? SecretName : `${SecretName}/${VersionId}`)
    if (SecretString === undefined) {
      throw new ApiError('ResourceNotFound', `There is no secret ${SecretName} with a version ${VersionId}.`)
    }
    return { SecretName, VersionId, SecretBinary: '', SecretString }
  },
)
