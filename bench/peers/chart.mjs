import { init } from 'echarts'

/** Draws what echarts calls an option, without a browser. Gives SVG. */
export function draw(option, width, height) {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height })
  chart.setOption(option)
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}
