-- Revenue by product: the ten products with the highest revenue in won deals
SELECT deal_products.name AS product, sum(deal_products.quantity) AS quantity, sum(deal_products.sum) AS revenue
FROM bi.deals
JOIN bi.deal_products ON deal_products.deal_id = deals.id
WHERE deals.status = 'won' AND NOT deals.is_archived AND deal_products.currency = 'EUR'
GROUP BY deal_products.name
ORDER BY revenue DESC, product
LIMIT 10
