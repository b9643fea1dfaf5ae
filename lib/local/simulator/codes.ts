/** Why the API said no: a code of its table and the message that goes with it. */
export interface Refusal {
  code: number
  message: string
}

const messages: Record<number, string> = {
  [-101000]: 'InternalError: 内部错误',
  [-101001]: 'ResourceInsufficient: 数智人服务算力不足',
  [-101002]: 'ImageDownloadFailed: 图片下载失败',
  [-111001]: 'StreamParamFailed: 获取流参数失败',
  [-111002]: 'StreamBroken: 流连接断开',
  [-111003]: 'ModelLoadFailed: 模型加载失败',
  [-111004]: 'CreateStreamTimeout: 创建流内部超时',
  [-111005]: 'DriveFailed: 驱动失败',
  100001: 'InvalidParameter: 参数错误',
  100005: 'Unauthorized: 鉴权失败',
  100007: 'InvalidProjectId: 项目不存在',
  100008: 'LimitExceeded: 超过并发路数限制',
  100012: 'RequestLimitExceeded: 请求过于频繁',
  100014: 'AssetConcurrencyQuotaNotFound: 并发配额不存在或已过期',
  100015: 'AvatarExpired: 形象已过期',
  110013: 'SessionClosed: 会话已关闭',
  110014: 'SessionNotReady: 会话未就绪',
  110015: 'DriveNotAllowed: 当前状态不可驱动',
  110016: 'SessionNotStarted: 会话未开启',
  110018: 'SessionNotFound: 会话不存在',
  110021: 'TrtcInArrears: TRTC 欠费',
  110022: 'SessionReplaced: 相同 UserId 新建会话，旧会话已关闭',
}

/** The message of a code as the API words it, `EnglishName: Chinese text`; empty for 0. */
export function messageOf(code: number): string {
  return code === 0 ? '' : (messages[code] ?? 'Unknown: 未知错误')
}

/** A refusal with this code; the detail, where given, follows the usual message. */
export function refuse(code: number, detail?: string): Refusal {
  return { code, message: detail === undefined ? messageOf(code) : `${messageOf(code)} (${detail})` }
}
