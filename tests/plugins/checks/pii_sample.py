"""A labelled sample of personal data and of what looks like it.

Positives hold one value each, between marks; numbers are the examples that their issuers publish or
made up with right check digits. Negatives are what people paste into prompts all day: versions,
order numbers, hashes, identifiers, code.
"""

import re

_POSITIVES = """
email|Write to «bob.smith@example.co.uk» today
email|From: Jane Doe <«jane_doe+news@mail.example.com»>
email|mailto:«info@firma.de»?subject=Hi
email|contact («a.b@c.io»)
email|{"user":"«x99@uni-ulm.de»"}
email|«ÜMLAUT@example.com» hat geschrieben
email|Send it to «o'brien@example.ie», please
email|cc «first.last@sub.department.example.org».
email|my address: «kim@naver.kr»
email|email=«test.user@gmail.com»&ok=1
email|«SALES@ACME.COM»
email|Ping «dev-ops@corp.internal.example.net» for access
phone|Call +«»me
phone|Reach me at «+49 30 901820»
phone|«+1 415-555-2671» is my number
phone|Tel: «+44 20 7946 0958»
phone|phone: «+33 1 23 45 67 89»
phone|«+91 98765 43210»
phone|WhatsApp «+55 11 91234-5678»
phone|mobile «+86 138 1234 5678»
phone|«+34 612 34 56 78» (evenings)
phone|«+39 06 698 12345»
phone|«+81 3-1234-5678»
phone|«+61 2 9374 4000»
phone|My cell is «+12025550143», thanks
phone|«+41 44 668 18 00»
phone|«+31 20 794 0800»
phone|Fax +«»none
phone|Call me at «(415) 555-2671»
phone|«(212) 555-0187» ext. 4
phone|phone: «415-555-2671»
phone|my number, call: «415.555.2671»
phone|tel «1-800-555-0199»
phone|Text me: «202 555 0143»
phone|Telefon: «030 901820»
phone|Handy «0171 1234567»
phone|mobile: «07700 900123»
phone|tel. «020 7946 0958»
phone|téléphone «01 23 45 67 89»
phone|Please ring «01632 960983»
phone|phone number «4155552671»
phone|cell «9175550123»
phone|teléfono: «091 234 5678»
phone|contact «0412 345 678»
card|Pay with «4111 1111 1111 1111» please
card|card «4012888888881881» exp 12/27
card|«5555 5555 5555 4444»
card|Mastercard: «5105105105105100»
card|amex «378282246310005»
card|«3714 496353 98431»
card|credit card number is «6011111111111117».
card|«6011-0009-9013-9424»
card|visa «4242424242424242» cvc 123
card|debit card «4000056655665556»
card|«2223 0031 2200 3222»
card|jcb card «3530111333300000»
card|my card: «3566002020360505»
card|diners card «30569309025904»
card|«5200 8282 8282 8210»
card|payment by «38520000023237»
card|kartennummer «4716258050958645»
card|unionpay card «6200000000000005»
card|«4539 1488 0343 6467» is the card
card|cc: «5425233430109903»
iban|IBAN «DE89 3704 0044 0532 0130 00»
iban|Konto DE89«»x
iban|«GB29NWBK60161331926819»
iban|«FR14 2004 1010 0505 0001 3M02 606»
iban|transfer to «NL91ABNA0417164300».
iban|«ES91 2100 0418 4502 0005 1332»
iban|«IT60X0542811101000000123456»
iban|«BE68 5390 0754 7034»
iban|«CH93 0076 2011 6238 5295 7»
iban|«AT611904300234573201»
iban|«SE4550000000058398257466»
iban|«NO93 8601 1117 947»
iban|«DK5000400440116243»
iban|«FI2112345600000785»
iban|«PT50000201231234567890154»
iban|«PL61109010140000071219812874»
iban|«IE29AIBK93115212345678»
iban|«GR1601101250000000012300695»
iban|«HU42117730161111101800000000»
iban|«CZ6508000000192000145399»
iban|«SK3112000000198742637541»
iban|«TR330006100519786457841326»
iban|«SA0380000000608010167519»
iban|«AE070331234567890123456»
iban|«LU280019400644750000»
iban|iban: «gb29 nwbk 6016 1331 9268 19»
ssn|My SSN is «536-22-1234»
ssn|social security number: «212-09-8765»
ssn|ssn «536221234»
ssn|SSN=«401-55-0192»
ssn|He wrote «529-98-4321» on the form
ssn|Social Security «078 05 1121»
ssn|ssn: «667-12-9999»
ssn|taxpayer «457-55-5462»
ip_address|login from «91.198.174.192»
ip_address|client IP «203.113.44.7»
ip_address|«172.217.16.142» - - [10/Oct/2023] "GET /"
ip_address|Her address was «185.60.216.35».
ip_address|remote «45.33.32.156»:8080 closed
ip_address|banned «104.28.9.55» for spam
ip_address|from «2a00:1450:4001:81b::200e» today
ip_address|peer «2001:4860:4860::8844»
ip_address|«2606:2800:220:1:248:1893:25c8:1946»
ip_address|X-Forwarded-For: «151.101.1.140», 10.0.0.1
crypto_wallet|send to «1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa»
crypto_wallet|«3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy»
crypto_wallet|«bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq»
crypto_wallet|«bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4»
crypto_wallet|«BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4»
crypto_wallet|«1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2»
crypto_wallet|ETH wallet «0x742d35Cc6634C0532925a3b844Bc454e4438f44e»
crypto_wallet|my ethereum address is «0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed»
national_id|DNI «12345678Z»
national_id|NIE «X1234567L»
national_id|CPF «529.982.247-25»
national_id|«111.444.777-35»
national_id|cpf 52998224725«»x
national_id|codice fiscale «RSSMRA85T10A562S»
national_id|«MRTMTT25D09F205Z»
national_id|NINO «AB 12 34 56 C»
national_id|National Insurance «AB123456C»
national_id|personnummer «811228-9874»
national_id|«131052-308T»
national_id|rijksregisternummer «85.07.30-033.28»
national_id|«11010519491231002X»
national_id|PESEL «44051401359»
national_id|BSN «111222333»
national_id|TC Kimlik «10000000146»
national_id|SIN «046 454 286»
national_id|tax file number «123 456 782»
national_id|NRIC «S1234567D»
national_id|CURP «HEGG560427MVZRRL04»
national_id|RUT «12.345.678-5»
national_id|South African ID «8001015009087»
national_id|Steuer-ID «86095742719»
national_id|IdNr «47036892816»
national_id|Aadhaar «2345 6789 0124»
health_id|NHS number «943 476 5919»
health_id|patient nhs no «9434765919»
passport|passport number «X1234567»
passport|Passport No: «123456789»
passport|Reisepass «C01X00T47»
passport|«L898902C36UTO7408122F1204159ZE184226B<<<<<10»
date_of_birth|born on «March 4, 1985» in Ulm
date_of_birth|DOB: «04/03/1985»
date_of_birth|date of birth «1985-03-04»
date_of_birth|"birth_date": "«1990-12-31»"
date_of_birth|geboren am «4. März 1985»
date_of_birth|Geburtsdatum: «04.03.1985»
date_of_birth|née le «4 mars 1985»
date_of_birth|fecha de nacimiento: «4 de marzo de 1985»
date_of_birth|nato il «4/3/1985»
date_of_birth|She was born «12 July 1979».
date_of_birth|birthday: «7/4/1976»
date_of_birth|Date-of-Birth = «1.2.1960»
date_of_birth|was born in the «»town
"""

_NEGATIVES = """
git@github.com:org/repo.git|ssh git@gitlab.com:team/project|@app.route("/home")|@scope/package@1.2.3
icon@2x.png|logo@3x.webp|lodash@4.17.21|user@host|postgres@15|getty@tty1.service|react@^18.2.0
return@forEach|this@MainActivity|foo@bar|@media (max-width: 600px)|a @ b.|5 apples @ 1.20 each
image@sha256:9f86d081884c7d659a2feaa0c55ad015|mail @ example dot com|@dataclass(frozen=True)
version 1.2.3.4|v10.0.19041.1|Chrome/120.0.6099.109 Safari/537.36|numpy==1.26.4|python 3.11.9
release 2.4.6.1|firmware 5.10.4.2|section 4.2.1.3|chapter 1.2.3.4|build 22.6.31.4
OID 1.3.6.1.4.1.311
10.0.0.1|192.168.1.254|127.0.0.1:8080|172.16.254.3|0.0.0.0|255.255.255.0|169.254.169.254|8.8.8.8
203.0.113.7|198.51.100.23|224.0.0.251|10.0.0.0/8|1.1.1.1|999.999.999.999|256.1.2.3|1.2.3
fe80::1ff:fe23:4567:890a|::1|2001:db8::8a2e:370:7334|std::vector<int>|12:34:56|00:1A:2B:3C:4D:5E
a::b::c|foo::bar|08:00:27:ab:cd:ef|10:15:30.123456|case 1: case 2: case 3:|::before|http://[::1]:80
order 305221445612|order #4532-8876-1290-3341|invoice 2024-000123|INV-2024-00917|ticket 8812345
tracking 1Z999AA10123456784|9400 1000 0000 0000 0000 00|SKU 100-200-3000|part 123-45-678
PO 45-6789-0
order number 1234567890123456|customer 0012345678|case 2023-1-00456|reference 5500000000000001
ref 4111111111111112|id 6011111111111110|batch 4000 1234 5678 9011|serial 5105105105105101
account no. 12345678|contract 99-123-4567|article 4006381333931|EAN 5901234123457|UPC 036000291452
ISBN 978-3-16-148410-0|ISBN 0-306-40615-2|ISBN-13: 9780306406157|ISSN 2049-3630|DOI 10.1000/182
PMID 31452104|arXiv:2412.07724v2|RFC 5322|ISO 13616-1:2020|DIN 5008|CVE-2024-12345|bug 1234567
550e8400-e29b-41d4-a716-446655440000|123e4567-e89b-12d3-a456-426614174000
6ba7b810-9dad-11d1-80b4-00c04fd430c8
f47ac10b-58cc-4372-a567-0e02b2c3d479|{00000000-0000-0000-0000-000000000000}
urn:uuid:9b2c1f04-3c1e-4f6e-8b7a-2f1d7f9a6c11
d41d8cd98f00b204e9800998ecf8427e|da39a3ee5e6b4b0d3255bfef95601890afd80709
e3b0c44298fc1c149afbf4c8996fb924
9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08|commit 6dd0262
sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=
0xdeadbeef|0x7ffeefbff5c8|#ff8800|rgb(255, 128, 0)|0b101010|1e-9|3.14159265358979|6.02214076e23
1700000000|1700000000123|2024-05-06T12:34:56Z|2024-05-06|06/05/2024|20240506|May 6, 2024|12.05.2024
1999-12-31 23:59:59.999|week 2024-W19|Q3 2024|epoch 1715000000000000|PT1H30M|born to run|in 1985
17:45|5 pm|9 to 5|1998-2004|July 4th|the 1990s|born leader 2020|a newborn 3 kg
reborn 2021-01-01 build
$1,234,567.89|USD 4,111.11|EUR 1.111.111,11|12,345,678|1 000 000|99.99%|3/4 cup|1:100000|7 x 24
12345 67890 12345|100 200 300 400|1 2 3 4 5 6 7 8 9 10|4 8 15 16 23 42|2 4 6 8 10 12 14 16
int x = 4111;|for i in range(100000, 200000):|const MAX = 2147483647;|port=5432|timeout: 30000
sleep(86400)|seed=1234567890|np.zeros((512, 512))|arr[100:200]|x = 415 - 555 - 2671|y=123-45*67
if (a > 1000000000) return;|phone_model = "SM-G991B"|id: 9007199254740993|BIGINT 9223372036854775807
call(415, 555, 2671)|f(1, 800, 555)|range(212, 555)|telemetry 100200300400
cellular automaton rule 110
model 555-2671-A|room 415-5|apt 212-B|bus 800|flight LH 1234|A320-251N|Boeing 737-800|B-52|iPhone 15
40.7128° N, 74.0060° W|48.137154, 11.576124|-33.8688197, 151.2092955|lat=52.520008 lon=13.404954
51.5074,-0.1278|zoom 12.75|1920x1080|3840×2160|16:9|10-20-30|1-2-3-4|12-34-56|100-200-300
DE-10115 Berlin|SW1A 1AA|NY 10001-1234|75008 Paris|K1A 0B1|1010 Wien|CH-8001|94105-2407|PLZ 80331
DE89 is a motorway code|GB29 seats|FR14 zone|DE12345678|DE123456789|GB999 9973 21|NL001234567B01
DE00 3704 0044 0532 0130 00|GB00NWBK60161331926819|FR76 3000 6000 0112 3456 7890 188
XX89370400440532013000
ES91 2100 0418 4502 0005 1333|NL91ABNA0417164301|IT60X0542811101000000123457|AB12 3456 7890 1234
000-12-3456|666-12-3456|900-12-3456|123-00-4567|123-45-0000|219-09-9999|078-05-1120|111-22-333
12-345-6789|1234-56-789|123-456-789|12345-6789|555-12-34|10-11-2024|2024-10-11-1234|123 45 678
12345678A|X1234567A|87654321B|AB12345C|QQ123456C|GB123456A1|111.444.777-36|529.982.247-26
12.345.678-9
RSSMRA85T10A562T|ABCDEF12G34H567I|811228-9875|131052-308U|85.07.30-033.29|110105194912310021
S1234567A
44051401358|10000000145|111222334|8001015009088|86095742718|943 476 5918|046 454 287|123 456 783
1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb|3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLz
bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdd
1234567890abcdefghijklmnopqrstuvwx|LdQ7Qox1VAhCzLJNqrr74YovaWYyNBUWvM
T1234567890123456789012345678901234
+1|+49|C++11|A+ 2020|x + 1234567|+100 points|+5 V|diff +1234 -567|+0.5|a+1-800|+2830 12345678|++i
+12345|+999 1234567|+1 234|UTC+02:00|+10000000000|2+2=4|1+1|GMT+1 12:00|+1111111111111
(100) 200-3000|(555) 12-34|(2020) 1-2|(1) 2 (3)|[415] 555-2671-9|call 911|dial 112|tel 4|fax 12
call the API 1000000 times|the phone has 128 GB|call stack 0x7fff5fbff8a0|phone 12 Pro Max|mobile 5G
passport control at 9|national park 2023|card 12 of 52|card game 500|visa required 90 days|pan 28 cm
credit 4500 points|the ID is 42|id 123456|ID: A1B2C3|national team 2022|ssn format NNN-NN-NNNN
wallet 42|ethereum 2.0|bitcoin at 64231.17|address 12 Main St|host localhost|ip route add|server 3
born yesterday|date of birth required|DOB field|birthday cake for 12|birth rate 1.73|né à Lyon
L898902C36UTO7408123F1204159ZE184226B<<<<<10|P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<
a << 2 >> 1
cout << 1234567890 << endl|1 << 30|<<<<<<< HEAD|EOF <<1|matrix [[1,2],[3,4]]|1/2/3|and/or 50/50
"""

_MARKED = re.compile("«(.*?)»")


def positives() -> list[tuple[str, str, str]]:
    """Return the part, the text and the value that stands in it."""
    found: list[tuple[str, str, str]] = []
    for line in _POSITIVES.strip().splitlines():
        part, _, text = line.partition("|")
        marked = _MARKED.search(text)
        assert marked is not None, line
        if marked[1]:
            found.append((part, _MARKED.sub(r"\1", text), marked[1]))
    return found


def negatives() -> list[str]:
    lines = _NEGATIVES.strip().splitlines()
    return [each for line in lines for each in line.split("|")]
