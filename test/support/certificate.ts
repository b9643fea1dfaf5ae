import { generateKeyPairSync } from 'node:crypto'
import { isIP } from 'node:net'
import forge from 'node-forge'

const DAY_MS = 86_400_000

// One for all: making a key takes longest.
const { privateKey: key, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})

/** A throw-away key and a certificate that it signs itself, for a host name or address; valid for two days since yesterday. */
export function certificateFor(host: string, validFrom = new Date(Date.now() - DAY_MS)): { key: string; cert: string } {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey)
  // Positive, and another for each: OpenSSL takes two of one issuer and number for the same.
  certificate.serialNumber = `01${forge.util.bytesToHex(forge.random.getBytesSync(8))}`
  certificate.validity = { notBefore: validFrom, notAfter: new Date(validFrom.getTime() + 2 * DAY_MS) }
  const name = [{ name: 'commonName', value: host }]
  certificate.setSubject(name)
  certificate.setIssuer(name)
  const altName = isIP(host) ? { type: 7, ip: host } : { type: 2, value: host }
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true },
    { name: 'subjectAltName', altNames: [altName] },
  ])
  certificate.sign(forge.pki.privateKeyFromPem(key), forge.md.sha256.create())
  return { key, cert: forge.pki.certificateToPem(certificate) }
}
