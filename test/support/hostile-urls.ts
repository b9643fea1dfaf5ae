// The notations in which an address has got past guards elsewhere. What is here must be refused when an endpoint is added, and
// again when a stored URL is connected to.
const words = (text: string) => text.trim().split(/\s+/)

/** URLs of private and reserved addresses: decimal, octal, hexadecimal, short, in odd letters, inside IPv6, local names. */
export const PRIVATE_URLS = [
  ...words(String.raw`
    http://127.0.0.1 http://127.1/ http://127.0.1/ http://2130706433/ http://0x7f000001/ http://0X7F000001/
    http://0x7f.0.0.1/ http://0x7f.1/ http://017700000001/ http://0177.0.0.1/ http://00000177.1/ http://127.0.0.1./
    http://0x7f000001./ http://１２７.０.０.１/ http://127。0。0。1/ http://①②⑦.0.0.1/ http://𝟙𝟚𝟟.𝟘.𝟘.𝟙/
    http://%31%32%37.0.0.1/ http:127.0.0.1 http:\\127.0.0.1\ http:///127.0.0.1/ http://0/ http://0.0.0.0:80/
    HTTP://127.0.0.1/ HTTPS://127.1/ hTtP://0x7f.1/
    http://[::]/ http://[::1]/ http://[0:0:0:0:0:0:0:1]/ http://[::7f00:1]/ http://[::127.0.0.1]/
    http://[::ffff:127.0.0.1]/ http://[::ffff:7f00:1]/ http://[0:0:0:0:0:ffff:7f00:1]/ http://[::ffff:0:7f00:1]/
    http://[64:ff9b::7f00:1]/ http://[64:ff9b::10.0.0.1]/ http://[64:ff9b:1::7f00:1]/ http://[2002:7f00:1::]/
    http://[2001::1]/ http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/ http://[fc00::1]/ http://[fe80::1]/
    http://[fec0::1]/ http://[ff02::1]/ http://[100::1]/ http://[100:0:0:1::1]/ http://[4000::1]/ http://[5f00::1]/
    http://10.0.0.1/ http://192.168.1/ http://172.16.0.1/ http://100.64.0.1/ http://168.63.129.16/ http://169.254.169.254/
    http://[fd00:ec2::254]/
    http://localhost/ http://LOCALHOST:80/ http://localhost./ http://a.localhost/ http://loc%61lhost/
    http://ｌｏｃａｌｈｏｓｔ/
  `),
  'ht\ntp://127.\t0.0.1/',
]

/** URLs of metadata services, in every notation; no allow-list opens them. */
export const METADATA_URLS = words(`
  http://169.254.169.254/ http://169.254.169.254./ http://2852039166/ http://0xa9fea9fe/ http://0251.0376.0251.0376/
  http://025177524776/ http://169.16689662/ http://169.254.43518/ http://0xA9.254.0251.254/ http://１６９.254.169.254/
  http://169。254。169。254/ http://169.254.0.23/ http://169.254.170.2/
  http://[::a9fe:a9fe]/ http://[::169.254.169.254]/ http://[::ffff:a9fe:a9fe]/ http://[::ffff:169.254.169.254]/
  http://[::ffff:0:a9fe:a9fe]/ http://[64:ff9b::a9fe:a9fe]/ http://[64:ff9b::169.254.169.254]/
  http://[64:ff9b:1::a9fe:a9fe]/ http://[64:ff9b:1:a9fe:a9:fe00::]/ http://[2002:a9fe:a9fe::]/
  http://[2002:a9fe:a9fe::1]/ http://[2001:0:808:808::5601:5601]/ http://[2001:0:a9fe:a9fe::1]/
  http://100.100.100.200/ http://1684301000/ http://[::6464:64c8]/ http://[::ffff:100.100.100.200]/
  http://[64:ff9b::6464:64c8]/ http://[2002:6464:64c8::1]/
  http://168.63.129.16/ http://0xa83f8110/ http://[::a83f:8110]/ http://[::ffff:168.63.129.16]/
  http://[64:ff9b::a83f:8110]/ http://[2002:a83f:8110::1]/
  http://192.0.0.192/ http://[::ffff:192.0.0.192]/ http://[2002:c000:c0::]/
  http://[fe80::a9fe:a9fe]/ http://[fd00:ec2::254]/ http://[fd00:ec2::23]/ http://[fd00:c1::a9fe:a9fe]/
  http://[fd00:42::42]/ http://[fd20:ce::254]/
`)

/** URLs with a user name or password, which Node would send. */
export const URLS_WITH_A_USER = words(`
  https://user@example.com/ https://:hush@example.com/ https://example.com@127.0.0.1/ http://8.8.8.8%40@127.0.0.1/
  http://a:b@c@8.8.8.8/
`)

/** What is no URL, though it looks like one: an IPv6 zone, numbers that are no address, an empty label. */
export const NO_URLS = words(`
  http://[fe80::1%eth0]/ http://[fe80::1%25eth0]/ http://[::1%25lo]/ http://127.0.0.1../ http://localhost../
  http://169.254..169.254/ http://1.2.3.256/
  http://1.2.3.4.5/ http://0x100000000/ http://127.0.0.08/ http://[::ffff:127.1]/ http://[::1/ http://::1/
`)
