-- The simulator beside, connected: what README's "Connect an account" does, with its address and token.
SELECT count(*) > 0 AS packaged FROM pg_available_extensions WHERE name = 'pipedrive_fdw' \gset
\if :packaged
CREATE EXTENSION pipedrive_fdw CASCADE;
\else
CREATE EXTENSION multicorn;
CREATE SCHEMA pipedrive;
\endif
CREATE SERVER pipedrive FOREIGN DATA WRAPPER multicorn
    OPTIONS (wrapper 'pipedrive_fdw.PipedriveFdw', base_url 'http://127.0.0.1:8080');
CREATE USER MAPPING FOR CURRENT_USER SERVER pipedrive OPTIONS (api_token 'demo-token');
IMPORT FOREIGN SCHEMA pipedrive FROM SERVER pipedrive INTO pipedrive;
