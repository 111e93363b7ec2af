-- The simulator beside, connected: what README's "Connect an account" does, with its address and token.
CREATE EXTENSION pipedrive_fdw CASCADE;
SELECT pipedrive.connect(base_url => 'http://127.0.0.1:8080', api_token => 'demo-token');
