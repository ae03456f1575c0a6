"""Names of people in many languages, and the ordinary words that are names as well.

Belongs here: the lists, and what one word is by them. Does not belong here: which words of a text
are somebody's name (`name_texts`). The names are those of Faker: given and family names of all its
locales, about 60,000, read when they are first asked for (0.2 seconds, 15 MB) and kept.
"""

import pkgutil
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'"})


def folded(word: str) -> str:
    """Return a word as the lists hold it: letter case and ways of composing a letter are gone."""
    if word.isascii():
        return word.lower()
    return unicodedata.normalize("NFC", word.translate(_APOSTROPHES)).casefold()


def is_ordinary(word: str) -> bool:
    """Return whether a folded word is more often a word than a name, as May, Price or Paris are."""
    return word in _ORDINARY


@lru_cache(maxsize=1)
def given_names() -> frozenset[str]:
    """Return the given names of all languages, folded."""
    return _listed("first_name")


@lru_cache(maxsize=1)
def family_names() -> frozenset[str]:
    """Return the family names of all languages, folded."""
    return _listed("last_name")


def _listed(prefix: str) -> frozenset[str]:
    # Faker is large: who sanitises nothing does not load it.
    package = import_module("faker.providers.person")
    names: set[str] = set()
    for module in pkgutil.iter_modules(package.__path__):
        provider = import_module(f"{package.__name__}.{module.name}").Provider
        for attribute in dir(provider):
            if attribute.startswith(prefix):
                names.update(_words(getattr(provider, attribute)))
    return frozenset(names)


def _words(names: object) -> Iterator[str]:
    """Yield the names of a list, which may hold a name in several scripts, or with its weight."""
    if not isinstance(names, list | tuple | dict):
        return
    for name in names:
        for spelling in name if isinstance(name, tuple) else (name,):
            if isinstance(spelling, str):
                # Of a name of several words the last says most: "Abu Talib", "\'s Gravensande".
                word = folded(spelling.strip("() ").rpartition(" ")[2])
                if len(word) > 1 or word > "\u3000":
                    yield word


# The most frequent English words; words of six languages that are in the lists above; cities,
# countries, makes, months and days. Taken out by hand are those that are a name first, as Smith.
_WORDS = """
a ab aba abarca abbey abend ability able about above abril absolutely abuse accept accepted access
accident according account accounts ace acero across act acting action actions active activities
activity actor acts actual actually ad add added adding addition additional address adelaide adidas
administration admiral adora adult advance advanced advantage advice affairs affected afraid africa
after afternoon again against age agency agent ago agosto agree agreed agreement ah ahead aid aime
air aircraft airport al ala alabama alas alaska alba albero album alcalde alcohol ale alegre
alegria alegría alemán alexa alive all alla alleen allende aller allow allowed allowing allows ally
alma almond almost alone along alpha already also alt alta alternative although alto always am ama
amado amar amare amato amazing amazon amber america ami amico amie amo among amor amount américa an
analysis ancient and anda android anel ange angebot angel angeli angelo angry anima animal animals
anjos anni announced annual anon another answer ante anti ants any anymore anyone anything anyway
anywhere août apart apartment apollo app apparently appeal appear appearance appeared appears apple
application applications applied apply appointment appreciate approach appropriate approved
approximately april aragón arch archer arco are area areas argento argument aria arizona arm armas
arms army around arrested arrived arroyo art article articles artist artists arts as asana asia ask
asked asking asks aspen assembly assistant associated association at atlas attack attacks attempt
attention attorney audi audience auf august aun aura aurora aus austin austria author authorities
authority autumn available avec average avis avoid avril award awards aware away awesome azul baba
babe baby bach back background bad bag bah bail bains baker bal bala balance bale ball ban band
bangkok bank banks bar barb barba barbe barber barcelona barco bare barker barney baron barra barre
barrera barriga barrio bas base based basel basic basically basil basis bass bassi basso batalla
bates bath battaglia battle baum bay be beach bean bear beard beat beau beautiful beauty became
because beck become becomes becoming bed bee been beer before began begin beginning begins behavior
behind bei beijing being bela belfast believe believed bell bella belle bello belo below bender
benefit benefits beni bent benvenuto bergen berlin bern berry besides best beste bestellung besten
bet beta better between bey beyond bien bienvenida big bigger biggest bild bill billing billion
bills binder bins birch bird birth birthday bishop bit bite bitten black blame blanc blanca blanche
blanco blaze blessing blick bliss block blog blood blossom blue blume board boat bocca bodies body
boer bogotá bond bones bonita bonjour bonnet bonsoir bonus book books boon booth borde border bore
born bos bosco boss boston botella both bottom bought bourgeois bowl bowman box boy boys brain
branch branco brand branden brands brandy bravo bray break breakfast breaking breton brewer brick
bridge bridges bright bring bringing brings brink bristol brit broek broke broken bronx brook
brooklyn brooks brother brothers brought brown browning bruder brun buch buck bud buddy budget
buena buenas bueno buenos build building buildings built bull bulle bunk buren burger burns burr
bury bus bush business businesses buster busy but butch butcher butler buy buying by bär bürger ca
caballero cabello cabeza cabo cade cadena cain cairo cal calendly california call called calling
calls cam cambridge came camera camino camp campaign campo campos camps can canal canali canals
cancer candidate candy canning cannon cannot cant canyon cap capa capable capacity capital captain
car cara caracas card cards care career cares cari caridad caro carolina carpenter carrera carried
carrier carriera carro carry carrying cars carter cartes carton cas casado casal casas case cases
cash cast castilla castillo cat catch caught cause caused causes ceci cell cells cem cena cent
center central century cerro certain certainly chad chain chair chairman challenge chamberlain
chambers champ champagne champion chance chandler change changed changes changing channel chante
chapelle chapter char character characters charge charged charges charity charla charleston chase
chaves che cheap check checklist checkout chelsea cher cherish cherry chevalier chevrolet chi
chicken chico chief chiesa child children chin china ching chip choice choose choque chosen
christmas chrétien church chère cielo cinnamon cinta cita cities citizens city civil claim claimed
claims clair claire class classes classic clay clean clear clearly click client cliente clients
cliff climate close closed closer clothes club co coach coast code coffee cold collected collection
college cologne colon colonel color colt combination combined come comer comes comfort comfortable
coming command comment comments commercial commission committed committee commodore common
communication communities community companies company compared competition complete completed
completely complex computer comte con concept concern concerned concha conde condition conditions
conference confidence confirmed conflict congress conn connected connection conservative consider
considered considering constant construction contact contains conte content context conti continue
continued continues contract contractor control conversation convey cook cool cooper copy coral
cord cordialement core corner corona coronel corporate correct corredor correr cortana cortes cost
coste costs could council count countries country county couple coupon course court cousin cousins
couture cover coverage covered crane crazy cream create created creating credit creed crew criado
crime criminal cris crisis cristal critical cross crowd cruise crystal cuadrado cuba cuesta
cultural culture cup current currently curry custodia customer customers cut cute cutting cámara
câmara córdoba côté da dach dad dada dag dahlie dai daily daisy dakota dalla dallas dam damage
damascus damen dance dangerous danish danke dann dans dar dare dark darling darwin das dash
dashboard dass data date dating daughter davon davor dawn day days de deacon deal dear death debate
debt december decide decided decision decisions deep defense definitely degree deja del delgado
delhi delivered dell della delle delta dem demand demi democratic den denk denver department der
des described description descuento design designed desire despite dessa destin destiny destroyed
details determine determined develop developed developing development dever devi device di diamond
dias diciembre did die dienstag dieu diez difference different difficult digital digna dimanche din
dinner direct direction directly director discount discovered discuss discussion disease display
distance distribution district dita diver divine division diwali dixie do doc dock doctor documents
doe does dog dogs doha doing doll dollars dolly dom domestic domingo domingos don dona done
donnerstag dono door dot double doubt dove dow down downing download downs dr draft drake drama
draw dream dresden dress drink drinking drive driver driving drop dropped drum drunk dry dubai
dublin duda dude due duff duke dulce duque durant durante during dusty duty dyer décembre día each
earlier early earnest earth easier easily east easter eastern easy eat eating eben ebony ebook echo
eco economic economy edge edinburgh edit edition editor education effect effective effects effort
efforts egli eight ein eine einen einer either el ela elected election elections electric elements
ella elle else email emerald emergency emery emotional employees end ende ended ending ends ene
enemy energy enero engel engels engen engine engineering england english enjoy enough ensure enter
entered entire entirely entry environment environmental episode equal equipment era esa escape
espada españa español especially espejo essa essence essential essi esta established estate esteri
estes estimada estimado estimated estrada estrella et eta etc ether europe eve even evening event
events eventually ever every everybody everyone everything everywhere evidence evil ex exactly
example examples excel excellent except exchange excited executive exercise exist existing expect
expected expensive experience experienced explain express extended extra extremely eye eyes face
facebook facilities fact factor factors facts fail failed failure fair fairy faith fake fall
falling falls false familiar families family famous fan fancy fans fantastic far fares faria farm
farmer fashion fast faster fat fate father fattori fault favorite fear feature features febrero
februar february fed fedele federal fee feed feel feeling feelings feels feest feet feld felice
felicidad felicity fell fella fellow felt female fermi fern ferne ferrari ferry fest festival few
fica fico field fielding fields fifth fight fighting figure figures file fill filled film films
final finally finance financial finch find finding finds fine finis finish finished fink fire fired
firm first fisch fish fit five fix fixed flat fleet fleur flight flink flint flood floor flor flora
florence flores florida flow flowers fly flying fo focus focused follow followed following follows
fondo font fontaine food foot football for force forced forces ford foreign forest forever forget
forgot form formed former forms forum forward forza foster found foundation four fourth fox franc
france francia franco frankfurt free freebie freedom freely freeman frei freitag french fresh
freund freundliche freundlichen friday frieden friend friendly friends frisch from front frost fry
frère fröhlich fuchs fuel fuente full fully fun function fund funding funds funk funny further
future février für fürst gagné gain gal gala gale gama gamble game games gara garde garden garland
garten gas gast gates gatti gatto gauge gave gaven gay gee geehrte geehrter gene general generally
generation genesis geneva genf genie genève georgia german germany get gets getting giant gift gill
ging ginger gioia giovani girl girlfriend girls give given gives giving glad glasgow glass glasses
glen global glover glück gmail go goa goal goals god goes going gola gold golden goma gone gonna
good goodman google gore gorge got gotta government governor grace gracias grade graf granada grand
grande grant granted gras grasso grau gravel graves gray grazia great greater greatest greca greco
green greet grew grey griego griffin grill grit grob groen gros gross grossi ground group groups
grove grow growing grown growth groß gruß grün grüße guard guardia guerra guess guide guilty gunner
guns gusti gut gute guten gutschein guy guys haag hacker had hahn hair hal hale half hall halle
hallo halloween halls ham hamburg hammer hand handle handler hands handy hanukkah happen happened
happening happens happy hard harden hardy hare haren harm harmony harsh hart harte harto has hasta
hate haus havana have haven having hawaii hay he head heads health healthy hear heard hearing heart
hearty heat heath heaven heavy heck heide heim hein held hell heller hello helm help helpdesk
helped helping helps hence her herbst herd here hero herren herring herself herz herzliche herzog
hey hi hierro high higher highest highly hill hills him himmel himself hind his historical history
hit hits ho hof hola hold holden holder holding hole holiday holy home homes honest honestly honor
hood hook hoop hooper hope hoping hora horn horse hospital host hot hotel hour hours house houses
housing houston how however hoy hubspot hug huge hull human humans hundred hundreds hung hunt
hunter husband i ib ice icy id idea ideas identified identity if iglesia ihr ihre ihrem ihren ii
iii ikea ill illegal im image images imagine imam immaculate immediately impact important
impossible improve improved in inbox inc include included includes including income increase
increased increasing incredible indeed independent india indiana indie individual individuals
industrial industry infant influence information initial injury innocent inside inspired instagram
instead institute insurance intelligence intended interest interested interesting interests
internal international internet interview into introduced investigation investment invoice involved
ion iphone ira ireland iris iron is isla island israel issue issued issues it italy items its
itself ivory ivy izquierdo j ja jacks jade jail januar january janvier japan jersey jerusalem jesus
jesús jet jeudi jewel job jobs join joined joint joke jolie jordan journal journey joy judge jueves
jug juillet juin juli julio july jump june jung juni junio junior junk jurado jure just justice k
kader kaiser kale kamp kant karma kaufmann keep keeping keeps keer kenya kept kern key kick kid
kidney kids killer kind kindle king kingdom kip kiss kit kitchen klarna klein klima klug knapp knew
knight know knowing knowledge known knows koch kok komen koning kont kopf kort kosten krebs kunde
kunden kundin kunst kurz kuss kyoto köln könig kühn la labor lack lad ladies lady lage lago laguna
laine lake lam lamb lana land lande landen lane lang lange langer language large largely larger
largest las lass lassen last late later latest laugh laughing launch launched laurel lavar lavender
law laws lawyer lay le lead leader leaders leadership leading leads leafy league leal lean learn
learned learning least leave leaves leaving led lee lees left leg lega legal lego legs leider
leipzig leis leite lemon length les less let letter letters leva levar level levels ley leão li
liberal liberty library licht lie liebe lieber lien lies lieve life light lights lijn like liked
likely likes lily lima limit limited limo limón lin lincoln linde line lines link linke linkedin
links lips lisboa lisbon list listed listen listening literally literature little live lived
liverpool lives living ll lo loan lob lobo local located location login lohn lois loja london lone
long longer look looked looking looks loot lord lore los lose losing loss lost lot lots lourdes
love loved lovely loves low lower loyal lu luce luck lucky luft lula luna lunch lundi lunes lupo
lust lux luz lying lynch lyric léger lê ma mac mace mach machado machine macho macht mack mad
madden made madera madison madonna madrid magazine maggio magic mai maia mail mailchimp maillot
main maintain maire major majority make makes making mal mala male malen malin mall malo maman man
managed management manager manca manchester manda mane mangel manhattan mani manila manly mann
manning mans many map mar mara march marchand mardi mare margarita marge mari marie-jeanne marin
marine marino mark market marketing markets marks markt marques marquis marqués marriage married
marry mars marsh marshal marte martes martial marvel marzo maréchal mas mason mass massa masse
massimo massive master mastercard mat mata match mate mater material materials math mato matter
matters maverick max maxime may maya maybe mayo mayor me meadow meadows mean meaning means meant
measure measures meat media medical medici medicine medium mee meet meeting meg meister mel
melbourne melody member members memory memphis men mens mental mention mentioned mentor mercado
mercati mercedes mercer merchant merci mercredi mercy merita merry mesa message messiah met meta
metal method methods metro mets mette mia microsoft mid middle mie miel might mignon milan milano
mile miles military milk mille million millions mills mina mind mine miner minhas minimum minister
ministry minor minute minutes mio mir mira miracle miranda miss missed missie missing mission mist
mistake misty mit mitt mittwoch mix mixed miércoles mm moan mobile mode model models modern modi
moe moet mom moment moments monaco monday moneta money monk monks mont montag montana montaña month
months monti moody moon moons moor mora morais morar more morgen morning morrow morse moss most
mostly mother moulin mountain mouth move moved movement movie movies moving ms much mucha mule
multiple mumbai munich mur muro murphy museum music must mut mutter my myrtle myself máxima máximo
märz mía münchen nacer nach nada nail nam name named names nana nas nascimento nashville nat nation
national nations native natural nature near nearly nebel necessary neck nee need needed needs
negative neither nek nel nela nele nella nelle nello nena nene nessa net neta netflix neto nette
network neu nevada never neveu new news newsletter next nice nieto night nike niks nil nine ninja
niño no noble nobody non none nor nord normal north northern nos not nota note noted notes nothing
notice noticed notion notre nous nova novel november novembre noviembre now nuclear nuestra nuestro
number numbers numerous nur o oak obvious obviously ocean october octobre octubre odd odds oder of
oferta off offer offered offers office officer officers official officials offre often oh oil ojo
ok okay ola old older olie olive om oma on onboarding once one ones online only onto open opened
opening operating operation operations opinion opportunities opportunity opposite option options or
ora oral orange orchard order ordered orders oren org organization organizations original
originally orilla orlando osaka oscuro ost other others otherwise our ourselves out outlook outside
ove over overall owe own owned owner owners oxford pace pack page pages pai paid pain pair paisley
pak pal palacio palazzo palla palle palm palma palmer palo pandora paper papers paquet para parada
paradis paredes pareja parent parents paris park parks parliament part particular particularly
partida parties partner parts party parís pass passed passing past pastor pat path patience patient
patients pau paw pay paye payer paying payment paypal paz peace pearl peer pelle pena penny people
pepper per percent perfect perfectly perform performance performed perhaps period pero pers person
personal perth petit petty peña phase phoenix phone photo photos physical pi pick picked picture
pictures piece pieces piedad pier pierce piet pietra pike pink pintar pinterest pinto pintor piper
pire pires place placed places plan plana plane planet plank planned planning plans plant plante
plants platform play played player players playing plays plaza pleas pleasant please plenty plus pm
point points pol poland pole police policies policy political politics polo pont pool poor pop pope
poppy popular population por porsche port porta porter portero porto portugal position positions
positive possible possibly post posted posts potential potter pour power powerful powers pozo
practice precious prepared presence present presented president press pressure pretty prevent
previous previously price prices priest prima primary prime prince princess prins prior prison
private pro probably problem problems process produce produced product production products
professional professor profile profit program programs progress project projects promise proof
proper properly properties property proposed prosper protect protection proud prove provide
provided provides providing prudence public published puck puente puerta pull pulled puma purchase
pure purity purpose push put putting quality quarter quartier queen quelle querida querido quero
question questions quick quickly quiet quite quito rabatt rabia race racine raden radio raid rails
rain raise raised raj raja ram rama ramadan ran rand range ransom rare ras rat rate rates rather
rauch raven re reach reached reaction read reader reading ready real reality realize really reason
reasons receive received recent recently rechnung recommend record recorded records red redden
reduce reduced reed reference referred refs refugio regarding regina region regional regular reich
rein reina reine reino reis reise related relations relationship relationships relatively release
released relevant religion religious remain remained remaining remains remember reminder remise
remove removed renders rendez renewal report reported reports republican request require required
requirements requires research residents resources respect response responsibility responsible rest
restaurant result results reto return returned revealed revenue review rey rica rice rich richer
rico riddle ride ridge right rights rijn rim rincón ring risa rise risk river rivers rivière roach
road roar roba robin roca roche rocher rock rocky rod roda roe rojo role roll rollo roma romaine
romano rome room roots rosa rose rossa round route roux royal roze rua rubio ruby rueda rule rules
run running runs rush russo rust rusty ruta río sable sacré sad safari safe safety saga sage sai
said saint sair sal sala salamanca salas sale sales salesforce salmon salud saludos salut salvar
salvo salz same samedi samstag samsung sands sane sang sans santa santi santiago santo sarai sat
saturday sauber sauvage savage savannah save saved saw say saying says scale scarlet scene schaden
scharf schatten schatz schatzi schedule scherz schmuck schneider schon school schools schuh schule
schwarz schön science scientific score scored scotland screen sea search season seat seco second
seconds secret secretary section sector secure security see seeing seek seem seemed seems seen
segni segundo segura sehr selected selection self sell sellers selling sem sen senate send senior
sense sent seoul separate september septembre septiembre sera serem serenity series serious
seriously serve served server service services serving session set sets setting seven several
sevilla shade shah shall shanghai shape share shared sharing sharp she sheikh shepherd shields
shine ship shirt shoes shoot shooting shop shopify shopping short shot shots should show showed
showing shown shows shut si sick side sides sie siena sierra sign signal signe signed significant
signs signup silber silk silla silver sim similar simple simply since sincere sing singapore singer
single sinner sir sire siri sister sit site sites siti sitting situation six size skills skin skip
sky slack sleep slightly slow slowly small smaller smart smile smoke sms snow so sobrino social
society soft software soi sol sola solar sold soldes soldiers sole solid solution som some somebody
someone something sometimes somewhere sommer son song songs sonne sonntag sony soon soprano sorry
sort soul sound sounds source sources south southern space spain sparks speak speaking special
species specific specifically speech speed spend spending spent spies spirit split sport sports
spot spotify spread spring springer squad square st stack stadium staff stage stand standard
standards standing star stark stars start started starting starts state stated statement states
station status stay steel steen steer stein stella step steps sterling stern steuer steward stick
still stock stolz stone stop stopped store stores storey stories storm storms stormy story stout
straight strand strange strategy stream street streets strength stress strike stripe strong
structure struggle stuck student students studies studio study stuff stupid sturm style su sub
subject subscriber success successful such suddenly sugar suggest suggested suit suits summer
summers sun sunday sunny sunshine super supply support supported supporting supposed supreme sur
sure surface surgery surprise surprised survey sus sweet swift swords sydney system systems sábado
süd taal tab table tack tad tag tage take taken takes taking tal talen talent tali talk talked
talking tan tank target task tasso taste taught tax taxes tea teach teacher teachers teaching team
teams tech technical technology teddy tedesco television tell telling tells temperature template
ten tenis term termin terms terra terrible tesla test testing tests texas text than thank thanks
that the their them theme themselves then theory there therefore these they thing things think
thinking thinks third this those though thought thoughts thousand thousands three through
throughout throw thursday thus tia tierra ties tiktok til till time times tiny tira tired title to
today together tokyo told toledo toma tomo tomorrow tone tonight too took toon top tor tore toro
torre torrent torres total totally touch tough tour toward towards town toy trace track trade
trading traditional traffic train training transfer transport travel travers tre treasure treat
treated treatment tree trees trello trial tried trinidad trinity trip troops trouble troy truck
true truly trump trust truth try trying tránsito tuesday turn turned turning turns tutorial twenty
twice twitter two type types typically tía tú uma una und under understand understanding une
unfortunately uni union unique unis unit united units university unknown unless unnamed uno
unsubscribe unter until up update upgrade upon upper urbain urban urbano us usada use used useful
user users uses using usual usually vaca vada vain val valencia valent valentine valentines valid
valle valley vallée value values valves van variety various vater vega vehicle vehicles vela velvet
vendredi vento venus ver verde verdi vere vero verona vers versa versie version very vi via vice
victoire victory vida vidas vide video videos viele vienna vienne viernes view views viking vila
villa village ville vino viola violence vira virginia visa vision visit vita viva vivi voet vogel
voice voisin volk volta volume von vor vorm vos vote voted votes voting votre voucher vous vs wade
wage wait waiting wake wald wales walk walked walking wall walls wanna want wanted wants war ward
ware warm warmer warrior was wash washington waste watch watched watching water waters watt watts
wave way ways we weak wear wearing weather weaver web webinar website wedding wednesday week
weekend weeks weight wein weird weiß welcome well wellington wells welt wende wensen went were west
western what whatever whatsapp when whenever where whether which while white who whole whom whose
why wide wien wiener wies wife wild wilder will willing willkommen willow win wind window windows
windy wine wing winner winning wins winter winters wir wise wish with within without wolf woman
women won wonder wonderful wood woods woody word wordpress words work worked workers workflow
working works world worried worry worse worst worth would wow write writer writing written wrong
wrote wunsch ya yang yeah year years yellow yes yesterday yet yoga york you young younger your
yours yourself youth youtube zaal zak zamora zapier zara zero zimmer zona zone zoom zu zurich zwart
zürich áfrica ángel über
"""
_ORDINARY = frozenset(_WORDS.split())
