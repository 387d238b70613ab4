# A line of Redis, Valkey or HAProxy as the fields of a JSON object: at, level, message. Extended regular expressions.
s/[[:cntrl:]]/ /g
s/\\/\\\\/g
s/"/\\"/g

# Redis and Valkey: 1:M 30 Nov 2026 20:30:10.123 * Ready to accept connections
/^[0-9]+:[A-Z] [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:.]{12} [.*#-] / {
    s/^([0-9]+:[A-Z] [0-9]{2}) Jan /\1 01 /
    s/^([0-9]+:[A-Z] [0-9]{2}) Feb /\1 02 /
    s/^([0-9]+:[A-Z] [0-9]{2}) Mar /\1 03 /
    s/^([0-9]+:[A-Z] [0-9]{2}) Apr /\1 04 /
    s/^([0-9]+:[A-Z] [0-9]{2}) May /\1 05 /
    s/^([0-9]+:[A-Z] [0-9]{2}) Jun /\1 06 /
    s/^([0-9]+:[A-Z] [0-9]{2}) Jul /\1 07 /
    s/^([0-9]+:[A-Z] [0-9]{2}) Aug /\1 08 /
    s/^([0-9]+:[A-Z] [0-9]{2}) Sep /\1 09 /
    s/^([0-9]+:[A-Z] [0-9]{2}) Oct /\1 10 /
    s/^([0-9]+:[A-Z] [0-9]{2}) Nov /\1 11 /
    s/^([0-9]+:[A-Z] [0-9]{2}) Dec /\1 12 /
    s/^[0-9]+:[A-Z] ([0-9]{2}) ([0-9]{2}) ([0-9]{4}) ([0-9:.]{12}) (.) (.*)$/"at":"\3-\2-\1T\4+00:00","level":"\5","message":"\6"/
    s/,"level":"[.-]",/,"level":"debug",/
    s/,"level":"\*",/,"level":"info",/
    s/,"level":"#",/,"level":"warning",/
    b end
}

# HAProxy's own: [WARNING]  (8) : Server gateways/gateway1 is DOWN, reason: ...
/^\[[A-Z]+\] +\([0-9]+\) : / {
    s/^\[([A-Z]+)\] +\([0-9]+\) : (.*)$/"level":"\1","message":"\2"/
    s/^"level":"NOTICE"/"level":"info"/
    s/^"level":"WARNING"/"level":"warning"/
    s/^"level":"(ALERT|EMERG|CRIT)"/"level":"error"/
    s/^"level":"[A-Z]+"/"level":"info"/
    b end
}

# HAProxy's log, `format iso`: 2026-11-30T20:30:10.123456+00:00 Server gateways/gateway1 is DOWN, reason: ...
/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+[+-][0-9]{2}:[0-9]{2} / {
    s/^([^ ]+) (.*)$/"at":"\1","level":"info","message":"\2"/
    s/,"level":"info",("message":"Server .* is DOWN)/,"level":"warning",\1/
    s/,"level":"info",("message":".* has no server available)/,"level":"error",\1/
    b end
}

# Anything else, a line of a crash report say.
s/^(.*)$/"level":"info","message":"\1"/
