"""Countries: ISO 3166-1 alpha-3 (as in OCPI) to alpha-2, the id that Open Charge Map gives them, and their English names.

The names are those of the time zone database (iso3166.tab, public domain). The ids are those of the core reference data of Open Charge
Map; a country without one there has none here.
"""

from __future__ import annotations

from dataclasses import dataclass

_ROWS = """
ABW AW 17 Aruba
AFG AF 5 Afghanistan
AGO AO 11 Angola
AIA AI 12 Anguilla
ALA AX 6 Åland Islands
ALB AL 7 Albania
AND AD 10 Andorra
ARE AE 235 United Arab Emirates
ARG AR 15 Argentina
ARM AM 16 Armenia
ASM AS 9 Samoa (American)
ATA AQ 13 Antarctica
ATF TF 83 French S. Terr.
ATG AG 14 Antigua & Barbuda
AUS AU 18 Australia
AUT AT 19 Austria
AZE AZ 20 Azerbaijan
BDI BI 41 Burundi
BEL BE 26 Belgium
BEN BJ 28 Benin
BES BQ 32 Caribbean NL
BFA BF 40 Burkina Faso
BGD BD 23 Bangladesh
BGR BG 39 Bulgaria
BHR BH 22 Bahrain
BHS BS 21 Bahamas
BIH BA 33 Bosnia & Herzegovina
BLM BL 187 St Barthelemy
BLR BY 25 Belarus
BLZ BZ 27 Belize
BMU BM 29 Bermuda
BOL BO 31 Bolivia
BRA BR 36 Brazil
BRB BB 24 Barbados
BRN BN 38 Brunei
BTN BT 30 Bhutan
BVT BV 35 Bouvet Island
BWA BW 34 Botswana
CAF CF 47 Central African Rep.
CAN CA 44 Canada
CCK CC 52 Cocos (Keeling) Islands
CHE CH 217 Switzerland
CHL CL 49 Chile
CHN CN 50 China
CIV CI 59 Côte d’Ivoire
CMR CM 43 Cameroon
COD CD 56 Congo (Dem. Rep.)
COG CG 55 Congo (Rep.)
COK CK 57 Cook Islands
COL CO 53 Colombia
COM KM 54 Comoros
CPV CV 45 Cape Verde
CRI CR 58 Costa Rica
CUB CU 61 Cuba
CUW CW 62 Curaçao
CXR CX 51 Christmas Island
CYM KY 46 Cayman Islands
CYP CY 63 Cyprus
CZE CZ 64 Czech Republic
DEU DE 87 Germany
DJI DJ 66 Djibouti
DMA DM 67 Dominica
DNK DK 65 Denmark
DOM DO 68 Dominican Republic
DZA DZ 8 Algeria
ECU EC 69 Ecuador
EGY EG 70 Egypt
ERI ER 73 Eritrea
ESH EH 245 Western Sahara
ESP ES 210 Spain
EST EE 74 Estonia
ETH ET 75 Ethiopia
FIN FI 79 Finland
FJI FJ 78 Fiji
FLK FK 76 Falkland Islands
FRA FR 80 France
FRO FO 77 Faroe Islands
FSM FM 147 Micronesia
GAB GA 84 Gabon
GBR GB 1 Britain (UK)
GEO GE 86 Georgia
GGY GG 96 Guernsey
GHA GH 88 Ghana
GIB GI 89 Gibraltar
GIN GN 97 Guinea
GLP GP 93 Guadeloupe
GMB GM 85 Gambia
GNB GW 98 Guinea-Bissau
GNQ GQ 72 Equatorial Guinea
GRC GR 90 Greece
GRD GD 92 Grenada
GRL GL 91 Greenland
GTM GT 95 Guatemala
GUF GF 81 French Guiana
GUM GU 94 Guam
GUY GY 99 Guyana
HKG HK 4 Hong Kong
HMD HM 101 Heard Island & McDonald Islands
HND HN 103 Honduras
HRV HR 60 Croatia
HTI HT 100 Haiti
HUN HU 104 Hungary
IDN ID 107 Indonesia
IMN IM 110 Isle of Man
IND IN 106 India
IOT IO 37 British Indian Ocean Territory
IRL IE 3 Ireland
IRN IR 108 Iran
IRQ IQ 109 Iraq
ISL IS 105 Iceland
ISR IL 111 Israel
ITA IT 112 Italy
JAM JM 113 Jamaica
JEY JE 115 Jersey
JOR JO 116 Jordan
JPN JP 114 Japan
KAZ KZ 117 Kazakhstan
KEN KE 118 Kenya
KGZ KG 123 Kyrgyzstan
KHM KH 42 Cambodia
KIR KI 119 Kiribati
KNA KN 189 St Kitts & Nevis
KOR KR 121 Korea (South)
KWT KW 122 Kuwait
LAO LA 124 Laos
LBN LB 126 Lebanon
LBR LR 128 Liberia
LBY LY 129 Libya
LCA LC 190 St Lucia
LIE LI 130 Liechtenstein
LKA LK 211 Sri Lanka
LSO LS 127 Lesotho
LTU LT 131 Lithuania
LUX LU 132 Luxembourg
LVA LV 125 Latvia
MAC MO 133 Macau
MAF MF 191 St Martin (French)
MAR MA 153 Morocco
MCO MC 149 Monaco
MDA MD 148 Moldova
MDG MG 135 Madagascar
MDV MV 138 Maldives
MEX MX 146 Mexico
MHL MH 141 Marshall Islands
MKD MK 134 North Macedonia
MLI ML 139 Mali
MLT MT 140 Malta
MMR MM 155 Myanmar (Burma)
MNE ME 151 Montenegro
MNG MN 150 Mongolia
MNP MP 167 Northern Mariana Islands
MOZ MZ 154 Mozambique
MRT MR 143 Mauritania
MSR MS 152 Montserrat
MTQ MQ 142 Martinique
MUS MU 144 Mauritius
MWI MW 136 Malawi
MYS MY 137 Malaysia
MYT YT 145 Mayotte
NAM NA 156 Namibia
NCL NC 160 New Caledonia
NER NE 163 Niger
NFK NF 166 Norfolk Island
NGA NG 164 Nigeria
NIC NI 162 Nicaragua
NIU NU 165 Niue
NLD NL 159 Netherlands
NOR NO 168 Norway
NPL NP 158 Nepal
NRU NR 157 Nauru
NZL NZ 161 New Zealand
OMN OM 169 Oman
PAK PK 170 Pakistan
PAN PA 173 Panama
PCN PN 178 Pitcairn
PER PE 176 Peru
PHL PH 177 Philippines
PLW PW 171 Palau
PNG PG 174 Papua New Guinea
POL PL 179 Poland
PRI PR 181 Puerto Rico
PRK KP 120 Korea (North)
PRT PT 180 Portugal
PRY PY 175 Paraguay
PSE PS 172 Palestine
PYF PF 82 French Polynesia
QAT QA 182 Qatar
REU RE 183 Réunion
ROU RO 184 Romania
RUS RU 185 Russia
RWA RW 186 Rwanda
SAU SA 197 Saudi Arabia
SDN SD 212 Sudan
SEN SN 198 Senegal
SGP SG 202 Singapore
SGS GS 209 South Georgia & the South Sandwich Islands
SHN SH 188 St Helena
SJM SJ 214 Svalbard & Jan Mayen
SLB SB 206 Solomon Islands
SLE SL 201 Sierra Leone
SLV SV 71 El Salvador
SMR SM 195 San Marino
SOM SO 207 Somalia
SPM PM 192 St Pierre & Miquelon
SRB RS 199 Serbia
SSD SS - South Sudan
STP ST 196 Sao Tome & Principe
SUR SR 213 Suriname
SVK SK 204 Slovakia
SVN SI 205 Slovenia
SWE SE 216 Sweden
SWZ SZ 215 Eswatini (Swaziland)
SXM SX 203 St Maarten (Dutch)
SYC SC 200 Seychelles
SYR SY 218 Syria
TCA TC 231 Turks & Caicos Is
TCD TD 48 Chad
TGO TG 224 Togo
THA TH 222 Thailand
TJK TJ 220 Tajikistan
TKL TK 225 Tokelau
TKM TM 230 Turkmenistan
TLS TL 223 East Timor
TON TO 226 Tonga
TTO TT 227 Trinidad & Tobago
TUN TN 228 Tunisia
TUR TR 229 Turkey
TUV TV 232 Tuvalu
TWN TW 219 Taiwan
TZA TZ 221 Tanzania
UGA UG 233 Uganda
UKR UA 234 Ukraine
UMI UM 236 US minor outlying islands
URY UY 237 Uruguay
USA US 2 United States
UZB UZ 238 Uzbekistan
VAT VA 102 Vatican City
VCT VC 193 St Vincent
VEN VE 240 Venezuela
VGB VG 242 Virgin Islands (UK)
VIR VI 243 Virgin Islands (US)
VNM VN 241 Vietnam
VUT VU 239 Vanuatu
WLF WF 244 Wallis & Futuna
WSM WS 194 Samoa (western)
YEM YE 246 Yemen
ZAF ZA 208 South Africa
ZMB ZM 247 Zambia
ZWE ZW 248 Zimbabwe
"""


@dataclass(frozen=True, slots=True)
class Country:
    """A country: both ISO 3166-1 codes, its id in Open Charge Map (None where that has none), and its English name."""

    alpha_3: str
    alpha_2: str
    ocm_id: int | None
    name: str


def _country(row: str) -> Country:
    alpha_3, alpha_2, ocm_id, name = row.split(" ", 3)
    return Country(alpha_3, alpha_2, None if ocm_id == "-" else int(ocm_id), name)


COUNTRIES = {country.alpha_3: country for country in map(_country, _ROWS.strip().splitlines())}
"""Countries by their alpha-3 code."""


def country_of(alpha_3: str) -> Country | None:
    """The country with the code of three letters, in either case; None for what is no country."""
    return COUNTRIES.get(alpha_3.upper())


def alpha_2(alpha_3: str) -> str | None:
    """Its code of two letters, None for what is no country."""
    country = country_of(alpha_3)
    return country.alpha_2 if country else None
