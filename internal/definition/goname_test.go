package definition

import (
	"strings"
	"testing"
)

func TestGoNames(t *testing.T) {
	for name, want := range map[string]string{
		"account_id": "accountID", "accountId": "accountID", "accountID": "accountID", "id": "id", "url": "url", "api_url": "apiURL",
		"apiUrl": "apiURL", "userIds": "userIDs", "user_ids": "userIDs", "userIDs": "userIDs", "ids": "ids", "http_server": "httpServer",
		"x": "x", "id_2": "id2", "sku2Stock": "sku2Stock", "userIDsAndURLs": "userIDsAndURLs", "parseHTTPBody": "parseHTTPBody",
		"a_b_c": "aBC", "iDs": "iDs", "status": "status", "order_status": "orderStatus", "myTS": "myTS",
	} {
		if got := goName(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestParametersNeverHideWhatTheGeneratedFileNeeds(t *testing.T) {
	text := "version: 1\ndefaults: {url: redis://a}\nmutexes:\n" +
		"- {name: A, key: 'a:{type:int}:{len:int}:{string:int}:{nil:int}:{any:int}:{min:int}:{ctx:int}:{fn:int}:{lock:int}:{err:int}'}\n" +
		"- {name: B, key: 'b:{m:int}:{options:int}:{expiration:int}:{context:int}:{time:int}:{fmt:int}:{mutex:int}'}\n" +
		"- {name: C, key: 'c:{uuid:int}:{ulid:int}:{net_ip:int}:{ip:int}:{redis:int}:{yaml:int}:{bar:int}'}\n" +
		"- {name: D, key: 'd:{a:github.com/google/uuid.UUID}:{b:int}:{type:int}:{type_param:int}'}\n" +
		"- {name: E, key: 'e:{a:github.com/oklog/ulid/v2.ULID}'}\n" +
		"- {name: F, key: 'f:{a:github.com/x/go-redis.Z}'}\n" +
		"- {name: G, key: 'g:{a:gopkg.in/yaml.v3.Node}'}\n" +
		"- {name: H, key: 'h:{a:example.com/foo-bar.Z}'}\n"
	file := accepted(t, text)
	var got []string
	for _, m := range file.Mutexes {
		for _, parameter := range m.Key.Parameters() {
			got = append(got, parameter.GoName)
		}
	}
	want := "typeParam lenParam stringParam nilParam anyParam minParam ctxParam fnParam lockParam errParam " +
		"mParam optionsParam expirationParam contextParam timeParam fmtParam mutexParam " +
		"uuidParam ulidParam netIP ip redisParam yamlParam barParam a b typeParam typeParamParam a a a a"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}
